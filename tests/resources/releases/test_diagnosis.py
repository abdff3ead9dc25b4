"""What is commonly wrong with real releases is named, and nothing else is claimed."""

import hashlib
import io
import unicodedata

import pytest

from resources.releases.diagnosis import MAX_TEXT_BYTES, reason_of_difference

IOS = ("--platform", "ios")
CHECK = ("check", "v1", *IOS)
CRLF = b"<plist>\r\n<dict/>\r\n</plist>\r\n"
LF = CRLF.replace(b"\r\n", b"\n")
NFC = "Caf\u00e9.png"
NFD = unicodedata.normalize("NFD", NFC)


def lists(game, name, lines):
    """Let the release have a checksum file, and nothing of the own format."""
    folder = game.source / "ios/v1"
    (folder / "manifest.jsonl").unlink()
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def md5_line(content, path):
    return f"{hashlib.md5(content).hexdigest()}  {path}"


@pytest.mark.parametrize(
    ("listed", "found", "ends"),
    [(CRLF, LF, "CRLF"), (LF, CRLF, "LF"), (CRLF, CRLF[:-2] + b"\n", "CRLF")],
)
def test_line_ends_that_alone_differ_are_named(game, listed, found, ends):
    folder = game.build("v1", {"a.plist": listed, "b.png": b"\0\n"})
    (folder / "a.plist").write_bytes(found)
    result = game.run(*CHECK)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        f"SIZE a.plist: line ends: matches with {ends}",
        "1 of 2 files failed.",
        "Total files checked: 2",
    ]
    lists(game, "MD5SUMS", [md5_line(listed, "a.plist")])
    lines = game.run(*CHECK).stdout.splitlines()
    assert lines[1] == f"MISMATCH a.plist: line ends: matches with {ends}"


def test_a_text_whose_md5_was_made_of_it_as_text_is_named_too(game):
    listed = "é\r\n".encode()
    game.build("v1", {"a.json": "é\n".encode()})
    lists(game, "MD5SUMS", [md5_line(listed.decode("latin-1").encode(), "a.json")])
    lines = game.run(*CHECK).stdout.splitlines()
    assert lines[1] == "MISMATCH a.json: line ends: matches with CRLF"


def test_a_text_in_another_unicode_form_is_named(game):
    game.build("v1", {"a.json": NFD.encode()})
    lists(game, "MD5SUMS", [md5_line(NFC.encode(), "a.json")])
    lines = game.run(*CHECK).stdout.splitlines()
    assert lines[1] == "MISMATCH a.json: Unicode form: matches with NFC"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (b"a\r\n", b"b\n"),  # more than the line ends
        (b"\0\r\n", b"\0\n"),  # no text
        (b"\r\n" * MAX_TEXT_BYTES, b"\n" * (MAX_TEXT_BYTES + 1)),
    ],
)
def test_no_other_difference_is_taken_for_line_ends(listed, found):
    digest = hashlib.md5(listed).hexdigest()
    assert reason_of_difference(io.BytesIO(found), "md5", digest, None) is None


@pytest.mark.parametrize(("listed", "found"), [(NFC, NFD), (NFD, NFC)])
def test_a_name_in_another_unicode_form_is_named(game, listed, found):
    folder = game.build("v1", {f"img/{listed}": b"picture"})
    (folder / "img" / listed).rename(folder / "img" / found)
    form = "NFD" if found == NFD else "NFC"
    lines = game.run(*CHECK).stdout.splitlines()
    assert lines[1:3] == [
        f"MISSING img/{listed}: Unicode form: there is one in {form}",
        f"EXTRA img/{found}",
    ]


def test_a_list_made_further_up_is_named_in_one_sentence(game):
    game.build("v1", {"a.json": b"{}", "img/b.png": b"picture"})
    lines = [md5_line(b"{}", "out/v1/a.json"), md5_line(b"p", "out/v1/img/b.png")]
    lists(game, "MD5SUMS", lines)
    assert game.run(*CHECK).stdout.splitlines() == [
        "Checking iOS manifest...",
        "MISSING out/v1/a.json",
        "MISSING out/v1/img/b.png",
        "EXTRA a.json",
        "EXTRA img/b.png",
        'Every path of the manifest begins with "out/v1/" and is there without it: the'
        " list was made further up.",
        "2 of 2 files failed.",
        "Total files checked: 2",
    ]


def test_a_list_made_further_down_is_named_in_one_sentence(game):
    game.build("v1", {"assets/a.json": b"{}", "assets/img/b.png": b"picture"})
    lists(game, "MD5SUMS", [md5_line(b"{}", "a.json"), md5_line(b"p", "img/b.png")])
    assert (
        'Every file of the manifest is there in the folder "assets/", which its paths'
        " leave out: the list was made further down."
    ) in game.run(*CHECK).stdout.splitlines()


def test_files_that_are_just_missing_say_nothing_more(game):
    folder = game.build("v1", {"res/a.json": b"{}", "res/b.json": b"[]"})
    for name in ("a.json", "b.json"):
        (folder / "res" / name).unlink()
    (folder / "a.json").write_bytes(b"{}")
    assert game.run(*CHECK).stdout.splitlines() == [
        "Checking iOS manifest...",
        "MISSING res/a.json",
        "MISSING res/b.json",
        "EXTRA a.json",
        "2 of 2 files failed.",
        "Total files checked: 2",
    ]
