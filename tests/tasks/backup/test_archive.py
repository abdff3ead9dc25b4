"""What is no backup, or is not whole, is told before anything is changed."""

import io
import json
import zipfile

import pytest

from tasks.backup.archive import Writer, opened
from tasks.backup.errors import BackupError

FACTS = {"database": {"migrations": [], "member": "database"}}


@pytest.fixture
def backup(tmp_path):
    path = tmp_path / "backup.zip"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.add("database", io.BytesIO(b"line\n" * 100_000))
        writer.add("settings.env", io.BytesIO(b"HTTPS=on\n"), is_packed=True)
        writer.finish(FACTS)
    return path


def problem_with(path):
    with pytest.raises(BackupError) as error, opened(path) as archive:
        archive.check()
    return str(error.value)


def test_a_whole_one_is_read_back(backup):
    with opened(backup) as archive:
        archive.check()
        assert archive.members["settings.env"]["bytes"] == 9


def test_another_file_is_told_apart(tmp_path, backup):
    other = tmp_path / "other"
    other.write_bytes(b"not a backup")
    assert "is no backup of Resource Sync" in problem_with(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello", "world")
    assert "is no backup of Resource Sync" in problem_with(other)
    assert "no such file" in problem_with(tmp_path / "missing")


def test_one_that_was_cut_off_is_told_wherever_it_was(backup):
    content = backup.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        backup.write_bytes(content[:length])
        assert "its end is missing" in problem_with(backup)


def test_a_changed_byte_is_told_wherever_it_is(backup):
    content = backup.read_bytes()
    with zipfile.ZipFile(backup) as archive:
        starts = {info.filename: info.header_offset for info in archive.infolist()}
    places = {
        "database": starts["database"] + 100,
        "settings.env": content.index(b"HTTPS=on"),
        "manifest.json": starts["manifest.json"] + 100,
    }
    for name, place in places.items():
        changed = bytearray(content)
        changed[place] ^= 1
        backup.write_bytes(changed)
        assert f"is damaged: {name} is not what it was" in problem_with(backup)


def test_a_member_that_was_exchanged_is_told(tmp_path, backup):
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, b"HTTPS=no\n" if name == "settings.env" else content)
    assert "settings.env is not what it was" in problem_with(other)


def test_what_came_in_or_went_is_told(tmp_path, backup):
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(other, "w") as new:
        for name in ("database", "manifest.json"):
            new.writestr(name, old.read(name))
    assert "settings.env" in problem_with(other)
    with zipfile.ZipFile(backup, "a") as archive:
        archive.writestr("more", "")
    assert "more" in problem_with(backup)


def test_another_form_is_named(tmp_path):
    path = tmp_path / "backup.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": "another/2"}))
    assert "'another/2'" in problem_with(path)
