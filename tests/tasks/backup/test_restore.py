"""What does not fit an installation is refused in words, before anything is changed."""

import io
import json
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from tasks.backup import programs
from tasks.backup.archive import Writer, opened
from tasks.backup.errors import BackupError
from tasks.backup.installation import fingerprint, settings_file
from tasks.backup.restore import extract, refuse_unfit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def backup(tmp_path):
    """Makes a backup with other facts, or other members."""

    def make(members=None, **database):
        path = tmp_path / "backup.zip"
        facts = {
            "vendor": connection.vendor,
            "member": "database",
            "server": 15,
            "migrations": [],
            "rows": {},
            **database,
        }
        with path.open("wb") as file:
            writer = Writer(file)
            for name, content in {"database": b"", **(members or {})}.items():
                writer.add(name, io.BytesIO(content))
            writer.finish(
                {
                    "version": "9.0.0",
                    "madeAt": "2026-11-30T09:00:00.000Z",
                    "database": facts,
                    "stores": [],
                    "secretKey": fingerprint(),
                }
            )
        return path

    return make


def refusal_of(path):
    with pytest.raises(BackupError) as error, opened(path) as archive:
        refuse_unfit(archive)
    return str(error.value)


def test_one_that_newer_code_made(backup):
    said = refusal_of(backup(migrations=[["tasks", "9999_from_the_future"]]))
    assert "made by a newer version of the product (9.0.0" in said
    assert "tasks.9999_from_the_future" in said
    assert "Update first" in said


def test_one_of_another_kind_of_database(backup):
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    assert "manage.py move_database" in refusal_of(backup(vendor=other))


def test_a_check_says_what_is_in_it(backup, capsys):
    rows = {"tasks_task": 3, "tasks_logline": 1200, "auth_group": 3}
    call_command("restore", str(backup(rows=rows)), "--check")
    assert capsys.readouterr().out == (
        "Whole: made at 2026-11-30T09:00:00.000Z by version 9.0.0; tasks: 3, "
        "lines of logs: 1,200.\n"
    )
    call_command("restore", str(backup(rows=rows)), "--check", "--json")
    assert json.loads(capsys.readouterr().out)["database"]["rows"] == rows


def test_all_but_the_database_is_extracted_to_a_new_folder(backup, tmp_path):
    path = backup({"settings.env": b"HTTPS=on\n", "task_types/own.toml": b"# own\n"})
    folder = tmp_path / "new"
    call_command("restore", str(path), "--extract", str(folder))
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))
    assert found == ["settings.env", "task_types/own.toml"]
    assert (folder / "settings.env").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="say a new folder"):
        call_command("restore", str(path), "--extract", str(folder))


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_nothing_is_extracted_outside_of_the_folder(backup, tmp_path, name):
    refused = pytest.raises(BackupError, match="no name of a file")
    with opened(backup({name: b"x"})) as archive, refused:
        extract(archive, tmp_path / "new")
    assert not (tmp_path / "outside").exists()


def test_a_terminal_gets_no_backup(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(CommandError, match="not for a terminal"):
        call_command("backup", "-")


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path):
    path = tmp_path / "backup.zip"
    path.write_text("mine")
    with pytest.raises(CommandError, match="--force"):
        call_command("backup", str(path))
    assert path.read_text() == "mine"


def test_a_missing_or_old_program_is_named_with_what_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"There is no pg_dump here; install the"):
        programs.program("pg_dump", 15)
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 13.4'\n")
    old.chmod(0o755)
    with pytest.raises(
        BackupError, match="pg_dump is of version 13, and this takes 15"
    ):
        programs.program("pg_dump", 15)
    newer = tmp_path / "16/bin/pg_dump"
    newer.parent.mkdir(parents=True)
    newer.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 16.1 (Debian)'\n")
    newer.chmod(0o755)
    assert programs.program("pg_dump", 15) == str(newer)


def test_a_password_is_in_no_command_line():
    parameters = {"host": "db", "user": "u", "password": "secret", "dbname": "d e"}
    arguments, environ = programs.connecting(parameters)
    assert not any("secret" in argument for argument in arguments)
    assert environ["PGPASSWORD"] == "secret"
    assert arguments[0] == "--dbname=host=db user=u dbname='d e'"


def test_settings_that_may_be_secret_are_named_and_left_out(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1/1")
    monkeypatch.setenv("RESOURCE_SOURCE", "/srv/builds of today")
    monkeypatch.setenv("RESOURCE_PURGE", "https://x/?token=hunter2")
    text = settings_file(with_secrets=False).read().decode()
    assert "hunter2" not in text
    assert "# REDIS_URL is a secret" in text
    assert "RESOURCE_SOURCE='/srv/builds of today'\n" in text
    assert "hunter2" in settings_file(with_secrets=True).read().decode()
