"""Manifests that are broken, or made to do harm, are refused before anything opens."""

import hashlib
import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import ManifestError
from resources.manifests.format import Entry, Header, manifest_lines
from resources.manifests.line_file import LineFile
from resources.manifests.paths import reason_against
from resources.manifests.reader import Manifest

DIGEST = hashlib.sha256(b"").hexdigest()


def sealed(lines):
    """Add the end to lines, so that nothing but the lines themselves is wrong."""
    body = b"".join(line + b"\n" for line in lines)
    end = {"end": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def header(files, **changes):
    values = {
        "format": "release-manifest/1",
        "platform": "ios",
        "version": "v1",
        "hash": "sha256",
        "files": files,
        "bytes": 0,
    }
    return json.dumps({**values, **changes}).encode()


def entry(path, **changes):
    return json.dumps({"path": path, "size": 0, "sha256": DIGEST, **changes}).encode()


def refusal(content):
    """Read a manifest in full, and give the message that refuses it."""
    with pytest.raises(ManifestError) as caught:
        read(content)
    return str(caught.value)


def read(content, *, published=False):
    manifest = Manifest(
        "M",
        LineFile(io.BytesIO(content)),
        platform="ios",
        version="v1",
        published=published,
    )
    manifest.verify()
    return list(manifest.entries())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("//server/share", "is a UNC path"),
        ("\\\\server\\share", "is a UNC path"),
        ("C:/x", "starts with a drive"),
        ("c:x", "starts with a drive"),
        ("a\\b", "has a backslash"),
        ("../x", 'has the segment ".."'),
        ("a/../b", 'has the segment ".."'),
        ("a/..", 'has the segment ".."'),
        ("./a", 'has the segment "."'),
        ("a//b", "has an empty segment"),
        ("a/", "has an empty segment"),
        ("a\0b", "has a NUL"),
        ("a\nb", "has a control character"),
        ("a\x7fb", "has a control character"),
        ("a\x9bb", "has a control character"),
        ("a\u2028b", "has a control character"),
        ("\ud800", "has a lone surrogate"),
        ("d/" * 511 + "abc", "is longer than 1024 bytes"),
        ("é" * 128, "has a segment longer than 255 bytes"),
        ("a" * 256, "has a segment longer than 255 bytes"),
        ("con", "has a name that Windows reserves"),
        ("a/NUL.png/b", "has a name that Windows reserves"),
        ("lpt¹.txt", "has a name that Windows reserves"),
        ("a/b.", "has a segment that ends with a dot or space"),
        ("a /b", "has a segment that ends with a dot or space"),
        ("manifest.jsonl", "is a name the engine keeps for itself"),
        (".pinned", "is a name the engine keeps for itself"),
        (".PINNED", "is a name the engine keeps for itself"),
        ("Reuse.JSON", "is a name the engine keeps for itself"),
    ],
)
def test_a_path_that_could_do_harm_is_refused(path, reason):
    message = refusal(sealed([header(1), entry(path)]))
    assert message.startswith(f"M line 2: the path {reason}")


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "img/ä.png",
        "日本語/絵.png",
        "a b/c d",
        ".hidden",
        "console",
        "a..b",
        "d/" * 511 + "ab",
    ],
)
def test_a_path_that_does_no_harm_is_taken(path):
    assert [found.path for found in read(sealed([header(1), entry(path)]))] == [path]


@pytest.mark.parametrize(
    "paths",
    [
        ("A.png", "a.png"),
        ("Img/a", "img", "z"),
        ("a", "a/b"),
        ("a", "a-b", "a/b/c"),
        ("cafe\u0301", "caf\u00e9"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_names_that_meet_on_some_file_system_are_refused(paths):
    ordered = sorted(paths, key=str.encode)
    lines = [header(len(paths)), *(entry(path) for path in ordered)]
    assert "meets the name of line 2" in refusal(sealed(lines))


@pytest.mark.parametrize("paths", [("b", "a"), ("a", "a"), ("é", "z")])
def test_paths_out_of_order_are_refused(paths):
    lines = [header(2), *(entry(path) for path in paths)]
    assert "line 3: the path is not after" in refusal(sealed(lines))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            b'{"path": "a", "path": "b", "size": 0, "sha256": "x"}',
            'has the key "path" twice',
        ),
        (entry("a", size=-1), "has a negative number"),
        (entry("a", size=1.0), "has a number that is not whole"),
        (entry("a", size=float("nan")), "has NaN"),
        (
            entry("a").replace(b"0", b"9" * 5000, 1),
            "has a number of more than 16 digits",
        ),
        (entry("a", size=2**53), '"size" is not a whole number'),
        (entry("a", size=True), '"size" is not a whole number'),
        (entry("a", size="1"), '"size" is not a whole number'),
        (entry("a", sha256=DIGEST.upper()), '"sha256" is not a digest'),
        (entry("a", sha256=DIGEST[1:]), '"sha256" is not a digest'),
        (entry("a", sha256=DIGEST + "\n"), '"sha256" is not a digest'),
        (entry("a", sha256=DIGEST[1:] + "g"), '"sha256" is not a digest'),
        (entry("a", sha256=DIGEST[1:] + "é"), '"sha256" is not a digest'),
        (entry("a", md5="0" * 31), '"md5" is not a digest'),
        (entry("a", md5="0" * 31 + "A"), '"md5" is not a digest'),
        (
            entry("a", md5="0" * 32).replace(b"0" * 32, b"0" * 21 + b'", "in": "v'),
            '"md5" is not a digest',
        ),
        (entry("a", mode="0777"), 'the key "mode" is unknown'),
        (entry(["a"]), 'has nested values under "path"'),
        (entry(7), '"path" is not a text'),
        (entry(None), '"path" is not a text'),
        (b'{"path": "a", "size": 0}', '"sha256" is missing'),
        (entry("a", **{"in": "v0"}), '"in" belongs into published manifests only'),
        (b"[" * 8000, "is not one JSON object"),
        (b'{"a":' * 1300 + b"1" + b"}" * 1300, "nested"),
        (entry("a") + b" ", "is not one JSON object"),
        (entry("a") + b"\r", "is not one JSON object"),
        (entry("a") + entry("b"), "is not JSON"),
        (b'{"path": "\xff"}', "is not UTF-8"),
        (b'{"path": "\xed\xa0\x80"}', "is not UTF-8"),
        (b"", "is not one JSON object"),
        (b" " * 9000, "is longer than 8192 bytes"),
    ],
    ids=range(31),
)
def test_a_line_that_is_no_entry_is_refused(line, reason):
    message = refusal(sealed([header(1), line]))
    assert message.startswith("M line 2: ")
    assert reason in message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (header(0, format="release-manifest/2"), "the format is not"),
        (header(0, hash="md5"), "the hash is not"),
        (header(0, platform="android"), 'the platform is "android", not "ios"'),
        (header(0, version="v2"), 'the version is "v2", not "v1"'),
        (header(0, more=1), 'the key "more" is unknown'),
        (b"\xef\xbb\xbf" + header(0), "byte order mark"),
        (b"", "is not one JSON object"),
    ],
)
def test_a_wrong_header_is_refused(line, reason):
    message = refusal(sealed([line]))
    assert message.startswith("M line 1: ")
    assert reason in message


WHOLE = sealed([header(2), entry("a"), entry("b")])


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_manifest_cut_anywhere_is_refused(length):
    assert "M line " in refusal(WHOLE[:length])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WHOLE.replace(b'"b"', b'"c"'), "the digest is not that of the lines before"),
        (WHOLE + b"\n", "there are bytes after the end"),
        (WHOLE + WHOLE, "there are bytes after the end"),
        (sealed([header(3), entry("a"), entry("b")]), "but line 1 says 3 files"),
        (sealed([header(2, bytes=9), entry("a"), entry("b")]), "of 9 bytes"),
        (b"", "line 1: the end is missing"),
    ],
)
def test_a_manifest_that_does_not_add_up_is_refused(content, reason):
    assert reason in refusal(content)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({"at": "b"}, '"at" needs "in"'),
        ({"in": "v0", "at": 7}, '"at" is not a text'),
        ({"in": "v0", "at": None}, '"at" is not a text'),
        ({"in": "v0", "at": ""}, '"at" is empty'),
        ({"in": "v0", "at": "a"}, '"at" is the path itself'),
        ({"in": "v0", "at": "../../v1/a"}, '"at" has the segment ".."'),
        ({"in": "v0", "at": "/etc/passwd"}, '"at" is absolute'),
        ({"in": "v0", "at": "b\\c"}, '"at" has a backslash'),
        ({"in": "v0", "at": "b\0c"}, '"at" has a NUL'),
        ({"in": "v0", "at": "b//c"}, '"at" has an empty segment'),
        ({"in": "v0", "at": "CON.txt"}, '"at" has a name that Windows reserves'),
        ({"in": "v0", "at": "manifest.jsonl"}, '"at" is a name the engine keeps'),
        ({"in": "v0", "at": "Reuse.JSON"}, '"at" is a name the engine keeps'),
        ({"in": "v0", "at": "x" * 256}, '"at" has a segment longer than 255'),
        ({"in": "v0", "at": "b/" * 600 + "b"}, '"at" is longer than 1024'),
        ({"in": "v0", "at": "\ud800"}, '"at" has a lone surrogate'),
    ],
    ids=range(16),
)
def test_where_a_file_lies_in_the_store_is_looked_at_as_its_path_is(held, reason):
    content = sealed([header(1), entry("a", **held)])
    with pytest.raises(ManifestError) as caught:
        read(content, published=True)
    assert str(caught.value).startswith("M line 2: ")
    assert reason in str(caught.value)


def test_what_is_written_is_what_is_read():
    entries = [
        Entry("a/é", 3, DIGEST, "0" * 32, "v0"),
        Entry("b", 4, DIGEST),
        Entry("c", 4, DIGEST, None, "v1", "b"),
    ]
    lines = list(manifest_lines(Header("ios", "v1", 3, 11), entries))
    assert lines[3].endswith(b'", "in": "v1", "at": "b"}\n')
    assert (
        lines[1]
        == (
            f'{{"path": "a/é", "size": 3, "sha256": "{DIGEST}",'
            f' "md5": "{"0" * 32}", "in": "v0"}}\n'
        ).encode()
    )
    assert read(b"".join(lines), published=True) == entries


def test_a_writer_refuses_what_no_reader_would_take():
    entries = [Entry("b", 0, DIGEST), Entry("a", 0, DIGEST)]
    with pytest.raises(ValueError, match="not ascending"):
        list(manifest_lines(Header("ios", "v1", 2, 0), entries))


def test_a_refused_manifest_costs_one_line_and_opens_nothing(game):
    folder = game.build("v1", {"a": b""})
    (folder / "a").unlink()
    os.mkfifo(folder / "a")  # opened, it would wait or be reported
    content = sealed([header(2), entry("a"), entry("../../x\x1b")])
    game.write_manifest("v1", content)
    for command in ("check", "sync", "reuse"):
        result = game.run(command, "v1", "--platform", "ios")
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == (
            f"error: {folder}/manifest.jsonl line 3: the path has a control"
            ' character: "../../x\\x1b"\n'
        )
    assert not game.store.exists()


def test_a_manifest_that_is_a_link_is_refused(game, tmp_path):
    folder = game.build("v1", {"a": b""})
    (folder / "manifest.jsonl").rename(tmp_path / "m")
    (folder / "manifest.jsonl").symlink_to(tmp_path / "m")
    result = game.run("check", "v1", "--platform", "ios")
    assert result.returncode == 2
    assert result.stderr.endswith("manifest.jsonl is a symbolic link\n")


PATHS = st.text() | st.text("./\\%aA:\0é\u0301") | st.sampled_from(["a", "a/b", "con"])
ENTRIES = st.builds(
    entry,
    PATHS | st.integers() | st.none(),
    size=st.just(0) | st.integers() | st.floats() | st.text(max_size=3),
    sha256=st.just(DIGEST) | st.text(max_size=3),
)
LINES = st.lists(
    ENTRIES | st.binary().filter(lambda line: b"\n" not in line), max_size=4
)
IN_ORDER = st.lists(PATHS, max_size=3, unique=True).map(
    lambda paths: sorted(paths, key=lambda path: path.encode(errors="surrogatepass"))
)
GOOD = b"".join(
    manifest_lines(
        Header("ios", "v1", 3, 9),
        [Entry(path, 3, DIGEST) for path in ("a", "b/c", "d")],
    )
)
# A piece of a good manifest, from one byte to another, becomes other bytes; or one byte
# becomes a digit, which it often was.
DAMAGED = st.tuples(
    st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.binary(max_size=30)
).map(lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[1] :]) | st.tuples(
    st.integers(0, len(GOOD) - 1), st.sampled_from(b"0123456789abcdef")
).map(lambda cut: GOOD[: cut[0]] + bytes([cut[1]]) + GOOD[cut[0] + 1 :])


@given(
    IN_ORDER.map(lambda paths: sealed([header(len(paths)), *map(entry, paths)]))
    | LINES.map(lambda lines: sealed([header(len(lines)), *lines]))
    | LINES.map(lambda lines: sealed(lines or [b""]))
    | DAMAGED
    | st.binary()
)
def test_whatever_a_manifest_holds_no_path_leads_out(content):
    try:
        paths = [found.path for found in read(content)]
    except ManifestError:
        return
    assert [reason_against(path) for path in paths] == [None] * len(paths)
    assert paths == sorted(set(paths), key=str.encode)


@given(DAMAGED)
def test_a_damaged_manifest_is_refused_or_says_the_same(content):
    """So a flipped bit never changes which files a release has."""
    try:
        found = read(content)
    except ManifestError:
        return
    assert found == read(GOOD)


MOST_MEMORY = 150_000_000

# What wait4 says of a process has that of the process it was started by in it.
SAYS_ITS_MEMORY = """
import re, sys
from pathlib import Path
from resources.cli import main
code = main(sys.argv[1:])
print(re.search("VmHWM:(.*)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


@pytest.mark.parametrize("name", ["manifest.jsonl", "sums.md5"])
@pytest.mark.parametrize("beginning", ["nothing", "a good line"])
def test_a_line_without_an_end_costs_no_memory(game, name, beginning):
    folder = game.build("v1", {"a": b""})
    good = {
        "manifest.jsonl": header(1) + b"\n",
        "sums.md5": b"d41d8cd98f00b204e9800998ecf8427e  a\n",
    }[name]
    (folder / "manifest.jsonl").unlink()
    with (folder / name).open("wb") as stream:
        stream.write(good if beginning == "a good line" else good[:-1])
        stream.truncate(1 << 30)  # a gigabyte of NULs, which takes no room
    result = subprocess.run(
        [sys.executable, "-c", SAYS_ITS_MEMORY, "check", "v1", "--platform", "ios"],
        env=game.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert int(result.stdout.split()[0]) * 1024 < MOST_MEMORY
