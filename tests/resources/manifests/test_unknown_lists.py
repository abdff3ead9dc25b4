"""Lists that the engine doesn't read are called what they are, not missing."""

import hashlib

import pytest

from resources.manifests.detect import candidate_of
from resources.manifests.unknown_lists import unknown_list

DIGESTS = {
    name: hashlib.new(name, b"{}").hexdigest()
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
}
SHA512 = f"{DIGESTS['sha512']}  a.json\n".encode()
SHA256 = f"{DIGESTS['sha256']}  a.json\n"

UNKNOWN = {
    "a list of sha512sum or b2sum, which isn't read; make one with sha256sum": SHA512,
    "a list of sha384sum": f"{DIGESTS['sha384']} *a.json\r\n".encode(),
    "a list of sha224sum": f"# made by\n{DIGESTS['sha224']}  a.json\n".encode(),
    "a list of SHA512 digests": f"SHA512 (a.json) = {DIGESTS['sha512']}\n".encode(),
    "a list of openssl (SHA2-256)": f"SHA2-256(a.json)= {DIGESTS['sha256']}\n".encode(),
    "a list of openssl (MD5)": f"MD5(a.json)= {DIGESTS['md5']}\n".encode(),
    "a list in UTF-16, as PowerShell's > writes it": SHA256.encode("utf-16"),
    "a list in UTF-16": b"\xfe\xff" + SHA256.encode("utf-16-be"),
    "a list with one space": f"{DIGESTS['md5']} a.json\n".encode(),
    "a table of PowerShell's Get-FileHash": b"\r\nAlgorithm       Hash      Path\r\n",
    "a list of CRC-32 checksums (SFV)": b"; by cksfv\na.json 1A2B3C4D\n",
}


@pytest.mark.parametrize(("name", "content"), UNKNOWN.items())
def test_it_is_named_where_a_version_has_no_other(game, name, content):
    folder = game.build("v1", {"a.json": b"{}"})
    (folder / "manifest.jsonl").unlink()
    (folder / "sums.txt").write_bytes(content)
    result = game.run("check", "v1", "--platform", "ios")
    assert result.returncode == 2
    assert f"; sums.txt is {name}" in result.stderr
    result = game.run("check", "v1", "--platform", "ios", RESOURCE_MANIFEST="sums.txt")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {folder / 'sums.txt'} is {name}")
    result = game.run("manifest", str(folder), "--from", str(folder / "sums.txt"))
    assert result.returncode == 2
    assert f"sums.txt is {name}" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"hello world\n",
        "hello world\n".encode("utf-16"),
        b"\xff\xfe\0",
        b"function f(a)= 1\n",
        b"deadbeef",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_other_files_are_no_lists(content):
    assert unknown_list(content) is None


def test_what_is_read_is_not_called_unknown():
    for name in ("md5", "sha1", "sha256"):
        line = f"{DIGESTS[name]}  a.json\n".encode()
        assert unknown_list(line) is None
        assert candidate_of("sums", line) is not None
