"""Ed25519 keys (RFC 8032): files of them, and how a public one is written and named.

A private key is a file as ``openssl genpkey -algorithm ed25519`` writes it: PKCS#8 in
PEM (RFC 8410), without a password, and nobody's but its owner's. A public key is a file
in PEM as ``openssl pkey -pubout`` writes it, or its 32 bytes as 64 hex digits.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resources.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_BYTES = 32
ID_DIGITS = 16  # 64 bits: to tell keys apart, while trust is in the key itself
MAX_FILE_BYTES = 4096  # such a file has some 120
OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HEX = re.compile("[0-9a-fA-F]{64}")


class PublicKey(NamedTuple):
    """A key that proves signatures: its 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """Return the first 16 hex digits of the SHA-256 of its bytes, by which a
        signature names it."""
        return hashlib.sha256(self.raw).hexdigest()[:ID_DIGITS]

    def proves(self, message: bytes, signature: bytes) -> bool:
        """Return whether the private half of this key signed a message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class PrivateKey:
    """A key that signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 bytes."""
        return self._key.sign(message)


def read_private_key(path: str) -> PrivateKey:
    """Read the key that RESOURCE_SIGNING_KEY names.

    Raises InputError for a file that is not there, is not ours alone, or holds no
    Ed25519 key that can be read without a password.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path, f"RESOURCE_SIGNING_KEY: {path}", private=True)
    wrong = (
        f"RESOURCE_SIGNING_KEY: {path} holds no Ed25519 key in PEM; make one by"
        " python -m resources keygen FILE"
    )
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:  # what the library says where a password is needed
        raise InputError(
            f"RESOURCE_SIGNING_KEY: {path} is encrypted, and nobody is there to give"
            " the password; take it off: openssl pkey -in FILE -out NEW-FILE"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(wrong) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(wrong)
    return PrivateKey(key)


def read_public_key(text: str, setting: str) -> PublicKey:
    """Return the key that is written as 64 hex digits, or lies in a file of that name
    in PEM or as these digits. ``setting`` is what messages call the place of ``text``.

    Raises InputError.
    """
    if _HEX.fullmatch(text):
        return PublicKey(bytes.fromhex(text))
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read(text, f"{setting}: {text}", private=False).strip()
    if _HEX.fullmatch(content.decode(errors="replace")):
        return PublicKey(bytes.fromhex(content.decode()))
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_pem_public_key(content)
        if isinstance(key, Ed25519PublicKey):
            return PublicKey(key.public_bytes_raw())
    raise InputError(
        f"{setting}: {text} holds no public Ed25519 key: write a file in PEM, as keygen"
        " makes one that ends in .pub, or 64 hex digits"
    )


def make_key(path: Path) -> PublicKey:
    """Write a new private key to ``path``, readable for its owner alone, and its public
    half beside it, with ``.pub`` at the end of its name.

    Nothing is ever overwritten. Raises InputError where one of the files is there.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    public_path = path.with_name(f"{path.name}.pub")
    for each in (path, public_path):
        if each.is_symlink() or each.exists():
            raise InputError(f"{each} is there already, and a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(path, private, 0o600)
    _write_new(public_path, public, 0o644)
    return PublicKey(key.public_key().public_bytes_raw())


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        # The mode is there before the first byte, and no umask makes it wider.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}") from None
    with os.fdopen(fd, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(fd)


def _read(path: str, name: str, *, private: bool) -> bytes:
    """Return what is in a key's file. A private one is judged by what was opened, which
    can't be exchanged after the look."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} can't be read: {reason}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{name} is no file")
        if private and found.st_uid != os.geteuid():
            raise InputError(
                f"{name} belongs to another account (number {found.st_uid}): give it to"
                " the one that publishes"
            )
        if private and found.st_mode & OTHERS:
            raise InputError(
                f"{name} has mode {stat.S_IMODE(found.st_mode):04o}, so other accounts"
                f" can use it; close it: chmod 600 {path}"
            )
        return os.read(fd, MAX_FILE_BYTES)
    finally:
        os.close(fd)
