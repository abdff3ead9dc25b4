"""Sources whose manifest is a file of md5sum, sha1sum, sha256sum or b3sum."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from resources.manifests.checksums import read_checksums
from tests.resources.conftest import assert_harmless, read_foreign, refusal_of

PROJECT = Path(__file__).parents[3]
FILES = {"a.json": b"{}", "img/b c.png": b"picture", "img/ä.png": b"other"}
CHECK = ("check", "v885", "--platform", "ios")
MAKERS = {
    "MD5": hashlib.md5,
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "BLAKE3": blake3,
}
MATCHED = [
    "Checking iOS manifest...",
    "All files matched successfully.",
    "Total files checked: 3",
]
EMPTY_MD5 = hashlib.md5(b"").hexdigest()


def gnu(maker, files, mark=" "):
    return "".join(
        f"{MAKERS[maker](content).hexdigest()} {mark}{path}\n"
        for path, content in files.items()
    ).encode()


def bsd(maker, files):
    return "".join(
        f"{maker} ({path}) = {MAKERS[maker](content).hexdigest()}\n"
        for path, content in files.items()
    ).encode()


def build(game, content, files=FILES, name="checksums.txt"):
    """Write a release whose only manifest is a checksum file."""
    folder = game.build("v885", files)
    (folder / "manifest.jsonl").unlink()
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("style", [gnu, bsd])
def test_every_program_s_file_is_known_by_its_content(game, maker, style):
    build(game, style(maker, FILES), name="no-telling-name")
    assert game.lines(*CHECK) == MATCHED


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("style", [gnu, bsd])
def test_a_file_damaged_by_hand_is_named_with_both_digests(game, maker, style):
    folder = build(game, style(maker, FILES))
    (folder / "img/b c.png").write_bytes(b"PICTURE")
    expected = MAKERS[maker](b"picture").hexdigest()
    got = MAKERS[maker](b"PICTURE").hexdigest()
    result = game.run(*CHECK)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        f"MISMATCH img/b c.png: expected {expected}, got {got}",
        "1 of 3 files failed.",
        "Total files checked: 3",
    ]


def test_missing_and_extra_files_are_named(game):
    folder = build(game, gnu("MD5", FILES))
    (folder / "a.json").unlink()
    (folder / "img/notes.txt").write_bytes(b"")
    assert game.run(*CHECK).stdout.splitlines()[1:] == [
        "MISSING a.json",
        "EXTRA img/notes.txt",
        "1 of 3 files failed.",
        "Total files checked: 3",
    ]


@pytest.mark.parametrize("program", ["md5sum", "sha1sum", "sha256sum"])
@pytest.mark.parametrize("options", ["", "--binary", "--tag"])
def test_what_the_real_programs_write_is_read(game, program, options):
    if not shutil.which(program):
        pytest.skip(f"needs {program}")
    folder = build(game, b"")
    (folder / "checksums.txt").unlink()
    # Made in its own folder, the list has itself, with the digest of its beginning.
    command = f"find . -type f -exec {program} {options} {{}} + > SUMS"
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True)
    assert b"./a.json" in (folder / "SUMS").read_bytes()
    assert game.lines(*CHECK) == MATCHED


@pytest.mark.parametrize(
    "content",
    [
        gnu("MD5", FILES, mark="*"),
        gnu("MD5", FILES).replace(b"\n", b"\r\n"),
        b"# made by the build\n" + gnu("MD5", FILES),
        gnu("MD5", {"a.json": b"{}"}).upper().replace(b"A.JSON", b"a.json")
        + bsd("MD5", FILES).partition(b"\n")[2],
    ],
    ids=["binary", "windows", "comment", "upper case and both styles"],
)
def test_the_forms_that_the_programs_take_are_taken(game, content):
    build(game, content)
    assert game.lines(*CHECK) == MATCHED


def test_b3sum_is_told_from_sha256sum_by_the_files_even_if_one_is_damaged(game):
    folder = build(game, gnu("BLAKE3", FILES))
    (folder / "a.json").write_bytes(b"[]")
    expected = blake3(b"{}").hexdigest()
    got = blake3(b"[]").hexdigest()
    assert f"MISMATCH a.json: expected {expected}, got {got}" in (
        game.run(*CHECK).stdout
    )


def test_b3sum_s_files_need_its_package(game):
    build(game, bsd("BLAKE3", FILES))
    program = (
        "import sys; sys.modules['blake3'] = None;"
        "from resources.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *CHECK],
        cwd=PROJECT,
        env=game.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == (
        "error: digests of b3sum need the package blake3 (see requirements.txt)\n"
    )


def test_a_quick_check_says_that_there_are_no_sizes(game):
    folder = build(game, gnu("MD5", FILES))
    result = game.run(*CHECK, "--quick")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {folder}/checksums.txt has no size for 3 of 3 files, and a quick check"
        " compares nothing else; check without --quick\n"
    )


def test_two_manifests_are_refused_and_the_setting_chooses(game):
    folder = build(game, gnu("MD5", FILES), name="MD5SUMS")
    (folder / "SHA1SUMS").write_bytes(gnu("SHA1", FILES))
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: version v885 of ios has several manifests in {folder}: MD5SUMS,"
        " SHA1SUMS; name one of them by RESOURCE_MANIFEST\n"
    )
    result = game.run(*CHECK, RESOURCE_MANIFEST="SHA1SUMS")
    assert result.returncode == 0
    assert "EXTRA MD5SUMS" in result.stdout


def test_no_manifest_is_refused(game):
    folder = build(game, b"not a manifest\n")
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert result.stderr == (
        "error: version v885 of ios has no manifest.jsonl (nor project.manifest or"
        f" checksum file) in {folder}\n"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "nothing, named by RESOURCE_MANIFEST, is missing"),
        ("../SUMS", 'RESOURCE_MANIFEST: "../SUMS" is not a file name'),
        ("..", 'RESOURCE_MANIFEST: ".." is not a file name'),
        ("a.json", "a.json is neither a manifest of release-manifest/1, nor a"),
        ("img", "img is a folder"),
        ("fifo", "fifo is a FIFO"),
        ("link", "link is a symbolic link"),
    ],
)
def test_a_wrong_name_in_the_setting_is_refused(game, name, message):
    folder = build(game, gnu("MD5", FILES))
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("checksums.txt")
    result = game.run(*CHECK, RESOURCE_MANIFEST=name)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr


HOSTILE = [
    ("/etc/passwd", "is absolute"),
    ("//server/x", "is a UNC path"),
    ("C:/x", "starts with a drive"),
    ("a\\b", "has a backslash"),
    ("../x", 'has the segment ".."'),
    ("./../x", 'has the segment ".."'),
    ("././x", 'has the segment "."'),
    ("./", "is empty"),
    ("a//b", "has an empty segment"),
    ("a/", "has an empty segment"),
    ("a\0b", "has a NUL"),
    ("a\x1bb", "has a control character"),
    ("a\u2028b", "has a control character"),
    ("d/" * 511 + "abc", "is longer than 1024 bytes"),
    ("a" * 256, "has a segment longer than 255 bytes"),
    ("nul.png", "has a name that Windows reserves"),
    ("a.", "has a segment that ends with a dot or space"),
    ("manifest.jsonl", "is a name the engine keeps for itself"),
]


@pytest.mark.parametrize(("path", "reason"), HOSTILE)
@pytest.mark.parametrize("form", ["{1}  {0}", "{1} *{0}", "MD5 ({0}) = {1}"])
def test_a_path_that_could_do_harm_is_refused(tmp_path, path, reason, form):
    good = f"{EMPTY_MD5}  good\n"
    content = (good + form.format(path, EMPTY_MD5) + "\n").encode()
    assert refusal(content, tmp_path).startswith(f"M line 2: the path {reason}")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (rb"\MD  a", "the line is no checksum"),
        (rb"\%s  a\\b", "the path has a backslash"),
        (rb"\%s  a\nb", "the path has a control character"),
        (rb"\%s  a\rb", "the path has a control character"),
        (rb"\MD5 (a\\b) = %s", "the path has a backslash"),
        (rb"\%s  a\tb", "the path has an unknown escape"),
        (rb"\%s  a" + b"\\", "the path has an unknown escape"),
        (b"%s  \xff", "the line is not UTF-8"),
        (b"%s  \xed\xa0\x80", "the line is not UTF-8"),
        (b"%s a", "the line is no checksum"),
        (b"%s  ", "the line is no checksum"),
        (b"%s", "the line is no checksum"),
        (b"", "the line is no checksum"),
        (b"%s0  a", "the digest has 33 digits, which is none of md5 or sha1 or"),
        (b"MD5 (a) = %s0", "the digest has 33 digits, which is none of md5"),
        (b"SHA512 (a) = %s", "the line is no checksum"),
        (b"%sdeadbeef  a", "the digest is of sha1, but those before are of md5"),
        (b"%s%%s  a", "the digest is of sha256 or b3, but those before are of md5"),
        (b"%s  " + b"a" * 9000, "the line is longer than 8192 bytes"),
        (b"%s  good", 'the path "good" is there twice, first in line 1'),
        (b"%s  GOOD", 'the path "good" meets the name of line 2'),
        (b"%s  good/a", 'the path "good/a" meets the name of line 1'),
    ],
    ids=range(22),
)
def test_a_line_that_is_no_checksum_is_refused(tmp_path, line, reason):
    digest = EMPTY_MD5.encode()
    line = line.replace(b"%s", digest).replace(b"%" + digest, digest)
    content = digest + b"  good\n" + line + b"\n"
    message = refusal(content, tmp_path)
    assert message.startswith("M line ")
    assert reason in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbf" + gnu("MD5", FILES), "M line 1: the manifest starts with a"),
        (gnu("MD5", FILES)[:-1], "M line 3: the line feed is missing"),
        (b"# nothing\n", "the file has no checksums"),
        (b"", "the file has no checksums"),
    ],
)
def test_a_file_that_is_cut_off_or_empty_is_refused(tmp_path, content, reason):
    assert reason in refusal(content, tmp_path)


def test_a_refused_file_costs_one_line_and_opens_nothing(game):
    folder = build(game, gnu("MD5", {"a.json": b"", "../../x\x1b": b""}))
    (folder / "a.json").unlink()
    os.mkfifo(folder / "a.json")  # opened, it would wait or be reported
    for command in ("check", "sync", "reuse"):
        result = game.run(command, "v885", "--platform", "ios")
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == (
            f"error: {folder}/checksums.txt line 2: the path has a control"
            ' character: "../../x\\x1b"\n'
        )
    assert not game.store.exists()


def test_lines_that_need_several_sorted_runs_come_out_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("resources.manifests.records.RUN_BYTES", 1000)
    paths = [f"{number * 7919 % 1000:03}/ä{number % 3}" for number in range(1000)]
    content = gnu("MD5", dict.fromkeys(paths, b""))
    found = [entry.path for entry in read(content, tmp_path).entries()]
    assert found == sorted(paths, key=str.encode)


def test_a_full_temporary_folder_has_a_code_of_its_own(game):
    files = {f"{number:05}": b"" for number in range(2000)}
    build(game, gnu("MD5", files), files)
    command = "ulimit -f 8 && exec $0 -m resources check v885 --platform ios"
    result = subprocess.run(
        ["/bin/bash", "-c", command, sys.executable],
        cwd=PROJECT,
        env=game.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 5
    assert result.stderr == ("error: cannot write a temporary file: File too large\n")


LINES = st.lists(
    st.one_of(
        st.builds(
            lambda digest, mark, path: f"{digest} {mark}{path}".encode(
                errors="surrogatepass"
            ),
            st.sampled_from([EMPTY_MD5, "\\" + EMPTY_MD5, "0" * 64, "0" * 40]),
            st.sampled_from(" *"),
            st.text() | st.text("./a\\n%"),
        ),
        st.builds(lambda path: f"MD5 ({path}) = {EMPTY_MD5}".encode(), st.text("./a)")),
        st.binary(),
    )
)


@given(LINES)
def test_whatever_a_file_holds_no_path_leads_out(tmp_path_factory, lines):
    content = b"".join(line + b"\n" for line in lines)
    assert_harmless(read, content, tmp_path_factory.getbasetemp())


read = partial(read_foreign, read_checksums)
refusal = partial(refusal_of, read_checksums)
