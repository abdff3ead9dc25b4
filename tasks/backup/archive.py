"""The file of a backup: a zip archive whose last member, the manifest, has the digest
of every other.

A zip, so that it can be written to a pipe, read at any place, and opened by any
machine's tools when nothing of the product is left.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypedDict

from tasks.backup.errors import BackupError

FORMAT = "resource-sync-backup/1"
MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 1024 * 1024 * 1024
CHUNK = 1024 * 1024
QUICKLY = 1  # zlib's level: lines of logs become a tenth, at some 100 MB a second
DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


class Member(TypedDict):
    bytes: int
    sha256: str


class Writer:
    """Writes a backup into a stream, which need not be one that can go back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(
            stream, "w", zipfile.ZIP_DEFLATED, compresslevel=QUICKLY
        )
        self._members: dict[str, Member] = {}

    def add(self, name: str, source: IO[bytes], *, is_packed: bool = False) -> None:
        """Write a member. ``is_packed``: what would not get smaller."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(_info(name, is_packed), "w", force_zip64=True) as member:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                member.write(chunk)
        self._members[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the manifest, with these facts, and the archive's end."""
        manifest = {"format": FORMAT, **facts, "members": self._members}
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        with self._zip.open(_info(MANIFEST, is_packed=False), "w") as member:
            member.write(text.encode())
        self._zip.close()


def _info(name: str, is_packed: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
    info._compresslevel = QUICKLY  # type: ignore[attr-defined] # public from 3.13 on
    info.external_attr = 0o600 << 16
    return info


class Archive:
    """A backup that is read. Raises BackupError for what is none, or is damaged."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._zip = path, archive
        with _damage_said(path, MANIFEST):
            if self._zip.getinfo(MANIFEST).file_size > MOST_MANIFEST_BYTES:
                raise ValueError("too long")
            self.manifest: dict[str, Any] = json.loads(self._zip.read(MANIFEST))
            form = str(self.manifest["format"])
        if form != FORMAT:
            raise BackupError(
                f"{path} has the form {form!r}, and this version reads {FORMAT!r}: it "
                "was made by another version of the product."
            )
        with _damage_said(path, MANIFEST):
            self.members: dict[str, Member] = self.manifest["members"]
            self.database: dict[str, Any] = self.manifest["database"]
            self.migrations = [(app, name) for app, name in self.database["migrations"]]

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member. What is read is compared with its digest by ``check``."""
        with _damage_said(self.path, name), self._zip.open(name) as member:
            yield member

    def unpack(self, name: str, target: IO[bytes]) -> None:
        """Write a member to a file, and see that it is what the manifest says."""
        digest, left = hashlib.sha256(), self.members[name]["bytes"]
        with self.read(name) as member:
            while chunk := member.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                digest.update(chunk)
                target.write(chunk)
        if left or digest.hexdigest() != self.members[name]["sha256"]:
            raise damaged(self.path, name)

    def check(self) -> None:
        """Read all of it back, and compare it with the manifest."""
        there = self._zip.namelist()
        wanted = {*self.members, MANIFEST}
        if len(there) != len(wanted) or set(there) != wanted:
            more = sorted(wanted.symmetric_difference(there)) or [MANIFEST]
            raise damaged(self.path, more[0])
        with Path("/dev/null").open("wb") as nowhere:
            for name in self.members:
                self.unpack(name, nowhere)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a backup. Raises BackupError."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BackupError(f"{path}: {(error.strerror or '').lower()}.") from error
    except DAMAGES as error:
        raise BackupError(
            f"{path} is no backup of Resource Sync, or its end is missing: it was cut "
            "off, or is still being written."
        ) from error
    with archive:
        if MANIFEST not in archive.namelist():
            raise BackupError(f"{path} is no backup of Resource Sync: no {MANIFEST}.")
        yield Archive(path, archive)


@contextmanager
def _damage_said(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (*DAMAGES, KeyError, TypeError) as error:
        raise damaged(path, name) from error


def damaged(path: Path, name: str) -> BackupError:
    return BackupError(
        f"{path} is damaged: {name} is not what it was when the backup was made. "
        "Nothing was changed; take another copy."
    )
