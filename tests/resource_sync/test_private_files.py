"""What the service writes is its account's alone."""

import os
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from resource_sync import private_files
from tests.e2e.conftest import ROOT

NOBODY = 65534


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path):
    """A folder of the service as earlier versions left it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "run").mkdir()
    names = ("db.sqlite3", "db.sqlite3-wal", "db.sqlite3.backup", "combined.log.1")
    for name in names:
        (folder / name).write_text("secret")
        (folder / name).chmod(0o644)
    (folder / "run").chmod(0o755)
    folder.chmod(0o755)
    return folder


def test_what_earlier_versions_left_open_is_closed(folder):
    private_files.make_private(folder)
    found = [folder, *folder.iterdir()]
    assert {path.name: mode(path) & 0o077 for path in found if mode(path) & 0o077} == {}
    assert mode(folder / "db.sqlite3") == 0o600


def test_a_folder_shared_with_other_accounts_stays_open_and_so_do_their_files(folder):
    theirs, ours_of_another_kind = folder / "syslog.log", folder / "notes.txt"
    theirs.write_text("")
    theirs.chmod(0o644)
    ours_of_another_kind.write_text("")
    ours_of_another_kind.chmod(0o644)
    os.chown(theirs, NOBODY, -1)
    private_files.make_private(folder)
    assert mode(folder) == 0o755
    assert mode(theirs) == mode(ours_of_another_kind) == 0o644
    assert mode(folder / "db.sqlite3") == 0o600


def test_a_link_is_not_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    elsewhere.chmod(0o644)
    (folder / "planted.log").symlink_to(elsewhere)
    private_files.make_private(folder)
    assert mode(elsewhere) == 0o644


def test_a_database_elsewhere_is_closed_with_what_belongs_to_it(tmp_path):
    names = ("own[1].db", "own[1].db-wal", "own[1].db-shm", "own[1].db.old", "other")
    for name in names:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o644)
    private_files.make_database_private(tmp_path / "own[1].db")
    closed = {name for name in names if mode(tmp_path / name) == 0o600}
    assert closed == set(names) - {"other"}


@pytest.mark.parametrize("name", ["db.sqlite3", "combined.log"])
def test_a_process_of_another_account_is_refused_and_told_which_one(tmp_path, name):
    database = {"ENGINE": "tasks.databases.sqlite3", "NAME": tmp_path / "db.sqlite3"}
    own = SimpleNamespace(DATABASES={"default": database}, LOG_DIR=tmp_path)
    private_files.refuse_another_account(own)
    (tmp_path / name).write_text("")
    private_files.refuse_another_account(own)
    os.chown(tmp_path / name, NOBODY, -1)
    with pytest.raises(SystemExit, match=f"{name} belongs to the account nobody, .*"):
        private_files.refuse_another_account(own)


def test_the_name_of_a_database_of_postgresql_is_no_file_s(tmp_path, monkeypatch):
    """An image's folders are root's, among them one with the database's name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resource_sync").mkdir()
    os.chown(tmp_path / "resource_sync", NOBODY, -1)
    database = {"ENGINE": "tasks.databases.postgresql", "NAME": "resource_sync"}
    own = SimpleNamespace(DATABASES={"default": database}, LOG_DIR=tmp_path)
    private_files.refuse_another_account(own)


def test_a_command_of_another_account_leaves_nothing_behind(tmp_path):
    (tmp_path / "db.sqlite3").write_text("")
    os.chown(tmp_path / "db.sqlite3", NOBODY, -1)
    places = {"DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs")}
    answer = subprocess.run(
        [sys.executable, ROOT / "manage.py", "list_tasks"],
        env={**os.environ, **places, "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "sudo -u nobody" in answer.stderr
    assert list((tmp_path / "logs").iterdir()) == []
    assert (tmp_path / "db.sqlite3").stat().st_size == 0
