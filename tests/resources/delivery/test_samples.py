"""A sample has what matters most, and is the same each time."""

import io

from resources.delivery.samples import sample_of
from resources.manifests.format import Entry, Header, manifest_lines
from resources.manifests.line_file import LineFile
from resources.manifests.reader import Manifest


def manifest(entries, version="v2"):
    entries = sorted(entries, key=lambda entry: entry.path.encode())
    header = Header("ios", version, len(entries), sum(entry.size for entry in entries))
    content = io.BytesIO(b"".join(manifest_lines(header, entries)))
    return Manifest(
        "M", LineFile(content), platform="ios", version=version, published=True
    )


def entry(path, size=1, held_in="v1"):
    return Entry(path, size, "0" * 64, None, held_in)


ENTRIES = [
    *(entry(f"img/{n:04}.png") for n in range(1000)),
    *(entry(f"new/{n:02}.png", held_in=None) for n in range(10)),
    entry("index.html"),
    entry("main.js"),
    entry("deep/other.html"),
    entry("a.zip"),
    entry("movie.mp4", 10_000),
]


def paths(count, entries=ENTRIES, version="v2"):
    return [entry.path for entry in sample_of(manifest(entries, version), count)]


def test_it_has_so_many_files_in_order_and_none_twice():
    for count in (1, 2, 3, 50, 1014, 1015):
        found = paths(count)
        assert len(found) == len(set(found)) == count
        assert found == sorted(found)


def test_it_begins_with_what_a_game_begins_with():
    assert paths(1) == ["movie.mp4"]
    assert {"index.html", "main.js", "movie.mp4"} <= set(paths(6))
    assert {"a.zip", "img/0000.png"} <= set(paths(12))


def test_what_is_new_in_the_version_is_in_it():
    found = set(paths(50))
    assert {f"new/{n:02}.png" for n in range(10)} <= found
    assert sum(path.startswith("img/") for path in found) > 20


def test_it_is_the_same_each_time_and_another_for_another_version():
    assert paths(50) == paths(50)
    assert paths(50) != paths(50, version="v3")
