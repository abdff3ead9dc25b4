"""Files of keys: which are read, which are refused, and what keygen writes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from resources.errors import InputError
from resources.signing.keys import make_key, read_private_key, read_public_key
from resources.signing.policy import read_lifetime, read_signing, read_trusted

# RFC 8032, section 7.1, test 1.
RAW = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def openssl(*arguments):
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def pair(tmp_path):
    path = tmp_path / "key.pem"
    make_key(path)
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read_private_key(str(path))
    return str(caught.value)


def test_a_key_that_was_made_signs_and_its_public_half_proves(pair):
    key = read_private_key(str(pair))
    public = read_public_key(f"{pair}.pub", "--trust")
    assert public == key.public
    assert public == read_public_key(public.raw.hex(), "--trust")
    signature = key.sign(b"text")
    assert public.proves(b"text", signature)
    assert not public.proves(b"another text", signature)
    assert not public.proves(b"text", signature[:-1])


def test_only_its_owner_can_read_a_key_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        make_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_of_openssl_s_is_read_and_openssl_reads_ours(pair, tmp_path):
    path = tmp_path / "other.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    openssl("pkey", "-in", path, "-pubout", "-out", tmp_path / "other.pub")
    public = read_public_key(str(tmp_path / "other.pub"), "--trust")
    assert public == read_private_key(str(path)).public
    openssl("pkey", "-in", pair, "-pubout", "-out", tmp_path / "ours.pub")
    assert (tmp_path / "ours.pub").read_bytes() == Path(f"{pair}.pub").read_bytes()


@pytest.mark.parametrize("taken", ["key.pem", "key.pem.pub"])
def test_no_file_is_overwritten_and_none_is_left(tmp_path, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(InputError, match=f"{taken} is there already"):
        make_key(tmp_path / "key.pem")
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is there already"):
        make_key(tmp_path / "key.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="can't be written: No such file"):
        make_key(tmp_path / "nowhere/key.pem")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o660])
def test_a_key_that_others_can_use_is_refused(pair, mode):
    pair.chmod(mode)
    says = refused(pair)
    assert f"has mode {mode:04o}, so other accounts can use it" in says
    assert f"chmod 600 {pair}" in says


def test_a_key_of_another_account_s_is_refused(pair):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(pair, 12345, -1)
    assert "belongs to another account (number 12345)" in refused(pair)


def test_an_encrypted_key_is_refused_and_the_way_out_is_named(pair, tmp_path):
    path = tmp_path / "encrypted.pem"
    openssl("pkey", "-in", pair, "-aes256", "-passout", "pass:x", "-out", path)
    assert "is encrypted" in refused(path)
    assert "openssl pkey" in refused(path)


def test_a_key_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "rsa.pem"
    openssl("genpkey", "-algorithm", "rsa", "-out", path)
    path.chmod(0o600)
    assert "holds no Ed25519 key in PEM" in refused(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 9000])
def test_what_is_no_key_is_refused(pair, content):
    pair.write_bytes(content)
    assert "holds no Ed25519 key in PEM; make one by" in refused(pair)


def test_the_public_half_is_no_key_to_sign_with(pair):
    public = Path(f"{pair}.pub")
    public.chmod(0o600)
    assert "holds no Ed25519 key" in refused(public)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    assert "can't be read: No such file" in refused(tmp_path / "missing")
    assert "is no file" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is no file" in refused(tmp_path / "pipe")
    assert "can't be read" in refused("with\0nul")


def test_trusted_keys_are_files_and_digits_with_commas_between(pair, tmp_path):
    (tmp_path / "digits").write_text(RAW + "\n")
    texts = f"{pair}.pub, {RAW},{tmp_path}/digits,"
    first, *others = read_trusted({"RESOURCE_TRUSTED_KEYS": texts})
    assert first == read_private_key(str(pair)).public
    assert [each.raw.hex() for each in others] == [RAW, RAW]
    assert read_trusted({"RESOURCE_TRUSTED_KEYS": ""}) == ()


def test_a_key_s_id_is_the_beginning_of_its_digest():
    assert read_public_key(RAW.upper(), "--trust").key_id == "21fe31dfa154a261"


@pytest.mark.parametrize("text", [RAW[:-1], RAW + "0", "nothing"])
def test_a_trusted_key_that_is_none_is_named(text):
    with pytest.raises(InputError, match=f"RESOURCE_TRUSTED_KEYS: {text} can't be"):
        read_trusted({"RESOURCE_TRUSTED_KEYS": text})


def test_a_private_key_is_not_to_be_trusted(pair):
    with pytest.raises(InputError, match="holds no public Ed25519 key"):
        read_public_key(str(pair), "--trust")


@pytest.mark.parametrize("text", ["30", "0d", "3651d", "-1d", "1w", "١d", "d", "1.5d"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="write 30d, 12h or never"):
        read_lifetime(text, "--expires")


def test_the_option_goes_before_the_setting():
    month = {"RESOURCE_POINTER_EXPIRES": "30d"}
    assert read_signing(month).lasts.days == 30
    assert read_signing(month, expires="12h").lasts.seconds == 12 * 3600
    assert read_signing(month, expires="never").lasts is None
    assert read_signing({}).lasts is None
