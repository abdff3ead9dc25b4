"""What is read by the block says the same as what is read line by line."""

import hashlib
import io
import json
import os
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import ManifestError
from resources.manifests import line_file, reader
from resources.manifests.format import (
    Entry,
    Header,
    entry_line,
    keys_of,
    manifest_lines,
    path_of,
)
from resources.manifests.line_file import LineFile
from resources.manifests.reader import Manifest

# Python 3.12 warns of forks beside threads, which a parallel test run has.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

SEGMENTS = [
    *(
        "a",
        "A",
        "b",
        "B.png",
        "é",
        "e\u0301",
        "ﬀ",
        "ß",
        "日本",
        "a b",
        "a}",
        "a'",
        "🎮",
    ),
    *("..", ".", "a.", "a ", "", "con", "CON.txt", "lpt1", "lpt¹.a", "conin$", "art"),
    *(
        "manifest.jsonl",
        "Reuse.JSON",
        ".pinned",
        "a.pinned",
        "c:",
        "a\\b",
        "\x7f",
        "\x85",
        "\u2028",
        "x" * 256,
    ),
]


def sha256_of(text):
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def entry_of(path, **more):
    return Entry(path, len(path), sha256_of(path), **more)


def written(lines, files, total_bytes):
    """A manifest of these lines, whatever they are."""
    head = {"format": "release-manifest/1", "platform": "ios", "version": "v2"}
    head |= {"hash": "sha256", "files": files, "bytes": total_bytes}
    body = json.dumps(head).encode() + b"\n" + b"".join(lines)
    end = {"end": files, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def plain(entries):
    total_bytes = sum(entry.size for entry in entries)
    return written(map(entry_line, entries), len(entries), total_bytes)


def by_line(entries):
    """The same manifest in a form that can only be read line by line."""
    lines = []
    for entry in entries:
        values = {"path": entry.path, "size": entry.size, "sha256": entry.sha256}
        values |= {"md5": entry.md5} if entry.md5 else {}
        values |= {"in": entry.held_in} if entry.held_in else {}
        values |= {"at": entry.held_at} if entry.held_at is not None else {}
        compact = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
        lines.append(compact.encode(errors="surrogatepass") + b"\n")
    return written(lines, len(entries), sum(entry.size for entry in entries))


def opened(content):
    file = LineFile(io.BytesIO(content))
    return Manifest("M", file, platform="ios", version="v2", published=True)


def outcome(content):
    """The entries, or why there are none."""
    try:
        return list(opened(content).entries())
    except ManifestError as error:
        return str(error)


@given(
    st.lists(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4), max_size=6)
)
def test_blocks_are_taken_or_refused_as_lines_are(paths):
    entries = sorted(
        (entry_of("/".join(path)) for path in paths),
        key=lambda entry: entry.path.encode(),
    )
    assert outcome(plain(entries)) == outcome(by_line(entries))


@given(
    st.binary(max_size=40),
    st.integers(0, 400),
    st.integers(0, 40),
)
def test_a_manifest_with_other_bytes_anywhere_is_never_taken(inserted, place, removed):
    content = plain([entry_of("a.png"), entry_of("b/c.png", md5="0" * 32)])
    damaged = content[:place] + inserted + content[place + removed :]
    if damaged != content:
        assert isinstance(damaged_outcome(damaged), str)


def damaged_outcome(content):
    try:
        return outcome(content)
    except ManifestError as error:  # already by its header
        return str(error)


@pytest.mark.parametrize(
    ("part", "other"), [(b"a.png", b"b.png"), (b'"sha256": "d', b'"sha256": "0')]
)
def test_lines_that_are_right_but_not_those_that_were_sealed_are_refused(part, other):
    content = plain([entry_of("a.png")._replace(sha256="d" * 64)])
    assert part in content
    said = outcome(content.replace(part, other, 1))
    assert "the digest is not that of the lines before" in said


@pytest.mark.parametrize(
    "line",
    [
        b'{"path": "zzz{"path": "a", "size": 1, "sha256": "%s"}\n',
        b' {"path": "a", "size": 1, "sha256": "%s"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s"} \n',
        b'{"path": "a", "size": 01, "sha256": "%s"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "md5": "0"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "in": ".."}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "at": "b"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "at": "b", "in": ""}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "in": "v1", "at": ""}\n',
        b'{"path": "a", "size": 9007199254740993, "sha256": "%s"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s"}\r\n',
        b'{"path": "a\nb", "size": 1, "sha256": "%s"}\n',
        b'{"path": "a", "size": 1, "sha256": "%s", "in": "v1", "at": "b\nc"}\n',
    ],
)
def test_what_is_only_nearly_a_line_is_refused(line):
    filled = line % sha256_of("a").encode()
    assert outcome(written([filled], 1, 1)).startswith("M line 2: ")


@pytest.fixture
def in_many_blocks(monkeypatch):
    monkeypatch.setattr(line_file, "BLOCK_BYTES", 1000)


def many(count=500):
    return [entry_of(f"img/{number:05}.png") for number in range(count)]


@pytest.mark.usefixtures("in_many_blocks")
def test_many_blocks_are_read_by_helpers_and_come_in_order():
    entries = many()
    manifest = opened(plain(entries))
    assert len(manifest.blocks()) > 20
    assert list(manifest.entries()) == entries
    assert list(manifest.paths()) == [entry.path.encode() for entry in entries]


@pytest.mark.usefixtures("in_many_blocks")
@pytest.mark.parametrize(
    ("extra", "line"),
    [("IMG/00499.PNG", 502), ("img/00000.png/x", 3), ("img", 3), ("Img/00003.png", 2)],
)
def test_names_that_meet_in_different_blocks_are_refused(extra, line):
    entries = sorted([*many(), entry_of(extra)], key=lambda entry: entry.path.encode())
    said = outcome(plain(entries))
    assert said == outcome(by_line(entries))
    assert "meets the name of line" in said


@pytest.mark.usefixtures("in_many_blocks")
@pytest.mark.parametrize("swapped", [*range(20), 498])
def test_lines_out_of_order_are_refused_wherever_blocks_are_cut(swapped):
    entries = many()
    entries[swapped : swapped + 2] = entries[swapped + 1], entries[swapped]
    assert "is not after the one before it" in outcome(plain(entries))


def mixed():
    return [
        entry_of("a.png", md5="1" * 32),
        entry_of("b/é.png", held_in="v1"),
        entry_of("b/名.png", md5="2" * 32, held_in="v0.9"),
        entry_of("c}.png"),
        entry_of("d.png", held_in="v2", held_at="a.png"),
        entry_of("e.png", md5="3" * 32, held_in="v1", held_at="b/旧}.png"),
    ]


def all_of(read):
    return [item for part in read for item in part]


def test_both_forms_are_read_alike(monkeypatch):
    quick, slow = (opened(form(mixed())) for form in (plain, by_line))
    assert list(quick.entries()) == list(slow.entries()) == mixed()
    assert list(quick.paths()) == list(slow.paths())
    lines = [
        all_of(manifest.content_lines(block) for block in manifest.blocks())
        for manifest in (quick, slow)
    ]
    assert lines[0] == lines[1]
    held = [manifest.held(*manifest.blocks()) for manifest in (quick, slow)]
    assert held[0] == held[1]
    assert list(held[0].versions) == lines[0]
    assert list(held[0].versions.values()) == ["v2", "v1", "v0.9", "v2", "v2", "v1"]
    assert held[0].paths == {lines[0][4]: "a.png", lines[0][5]: "b/旧}.png"}
    monkeypatch.setattr(reader, "FEW_OF", 1)
    asked = [lines[0][0], lines[0][4], b'{"path": "x', *lines[0][5:]]
    for manifest in (quick, slow):
        found = manifest.held_of(*manifest.blocks(), asked)
        assert found.paths == held[0].paths
        assert {*asked} & {*found.versions} == {*asked} - {asked[2]}
        assert found.versions.items() <= held[0].versions.items()
    found = [manifest.stored(*manifest.blocks()) for manifest in (quick, slow)]
    stored = [
        {(*place,) for in_, *files in each for place in zip(repeat(in_), *files)}
        for each in found
    ]
    assert stored[0] == stored[1]
    assert {place[:2] for place in stored[0]} == {
        (held_in, held[0].paths.get(line) or path_of(line).decode())
        for line, held_in in held[0].versions.items()
    }
    keys = [manifest.content_keys(*manifest.blocks()) for manifest in (quick, slow)]
    assert keys[0] == keys[1] == keys_of(lines[0])


@given(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4))
def test_where_an_object_lies_is_taken_or_refused_as_paths_are(segments):
    path = "/".join(segments)
    own, held = entry_of("own"), entry_of("own", held_in="v1", held_at=path)
    assert outcome(plain([held])) == outcome(by_line([held]))
    is_path = isinstance(outcome(plain([own._replace(path=path)])), list)
    assert isinstance(outcome(plain([held])), list) == (is_path and path != "own")


def test_both_forms_give_the_same_published_lines_and_selections():
    entries = [entry._replace(held_in=None, held_at=None) for entry in mixed()]
    quick, slow = (opened(form(entries)) for form in (plain, by_line))
    choices, codes, held_at = [None, "v1"], [1, 0, 1, 1, 0, 1], {3: "ü", 5: "o"}
    expected = b"".join(
        entry_line(entry._replace(held_in=choices[code], held_at=held_at.get(place)))
        for place, (entry, code) in enumerate(zip(entries, codes, strict=True))
    )
    for manifest in (quick, slow):
        (block,) = manifest.blocks()
        assert manifest.lines_held(block, choices, codes, held_at) == expected
        wanted = [True, False, False, True]
        assert manifest.selected(block, wanted) == [entries[0], entries[3]]


@pytest.mark.parametrize("form", [plain, by_line])
def test_a_manifest_that_changes_after_it_was_verified_is_refused(tmp_path, form):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(form(mixed()))
    manifest = Manifest(
        "M", LineFile(path.open("rb")), platform="ios", version="v2", published=True
    )
    manifest.verify()
    with path.open("r+b") as file:
        place = path.read_bytes().index(b"a.png")
        os.pwrite(file.fileno(), b"/.png", place)
    with pytest.raises(ManifestError, match="M changed while it was being read"):
        list(manifest.entries())


def test_what_is_written_line_by_line_is_the_plain_form():
    entries = [*mixed(), entry_of('f"q.png')]
    header = Header("ios", "v2", len(entries), sum(entry.size for entry in entries))
    assert b"".join(manifest_lines(header, entries)) == plain(entries)
    assert outcome(plain(entries)) == entries
