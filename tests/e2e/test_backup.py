"""Backups of a product that works, and what comes back of them."""

import hashlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.left_out import reason_against_memory_disk
from tests.waiting import wait_until

from .conftest import ROOT
from .test_full_disk import fill, small_disk  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


@pytest.fixture
def backup_file(tmp_path):
    return tmp_path / "backup.zip"


def fresh(new_service, **settings):
    """A product on another machine: nothing was ever started there."""
    service = new_service(**settings)
    (service.data_dir / "db.sqlite3").unlink(missing_ok=True)
    return service


def refused(service, *arguments):
    done = service.manage(*arguments, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_running_task_comes_back_with_the_lines_that_it_had(new_service, backup_file):
    service = new_service()
    service.run()
    task = service.create("count", n="9999999")
    wait_until(lambda: service.task(task)["logCount"] > 2000, "some thousand lines")
    said = service.manage("backup", str(backup_file)).stdout
    assert "Running tasks: 1." in said
    assert service.task(task)["status"] == "running"
    service.stop()

    other = fresh(new_service)
    other.manage("restore", str(backup_file))
    other.prepare()
    other.run()
    found = other.wait_for(task, "failed")
    lines = other.lines(task)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    first, *kept, last = [line["message"] for line in lines]
    assert first.startswith("Executing: ")
    assert kept == [str(number) for number in range(1, len(kept) + 1)]
    assert len(kept) > 2000
    assert last == found["error"]
    assert f"{len(lines) - 1} lines were kept" in last.replace(",", "")
    text = "".join(f"{line['message']}\n" for line in lines)
    [*_, end] = other.events(task)
    assert end["logSha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_what_waited_starts_when_somebody_resumes_the_queue(new_service, backup_file):
    service = new_service()
    [task, *_] = service.manage("submit", "three-steps").stdout.split()[1:]
    service.manage("backup", str(backup_file))

    other = fresh(new_service)
    other.manage("restore", str(backup_file))
    other.prepare()
    other.run()
    found = wait_until(lambda: other.task(task)["waitingFor"], "a reason to wait")
    assert found["reason"] == "paused"
    assert "Restored from a backup of 20" in json.dumps(found)
    other.request("POST", "/api/queue/resume", json={})
    assert other.wait_for(task)["status"] == "completed"


def test_a_restore_ends_sessions_and_keeps_keys_and_accounts(new_service, backup_file):
    service = new_service()
    secret = service.manage("create_api_key", "ci").stdout.strip()
    service.manage("shell", "-v0", "-c", SIGN_IN)
    service.manage("backup", str(backup_file))

    other = fresh(new_service)
    other.manage("restore", str(backup_file))
    counted = other.manage("shell", "-v0", "-c", COUNT).stdout.split()
    assert counted[-4:] == ["1", "1", "0", "1"]
    other.prepare()
    other.run()
    answer = other.request("GET", "/api/tasks", headers={"X-API-Key": secret})
    assert answer.status_code == 200


SIGN_IN = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
User.objects.create_user("alice")
store = SessionStore(); store["x"] = 1; store.save()
"""
COUNT = """
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from tasks.models import ApiKey, AuditEvent
restored = AuditEvent.objects.filter(action="database.restore")
for rows in (User.objects, ApiKey.objects, Session.objects, restored):
    print(rows.count())
"""


def test_task_types_that_are_not_there_yet_are_named_and_stop_no_restore(
    new_service, backup_file
):
    service = new_service()
    service.manage("submit", "three-steps")
    service.manage("backup", str(backup_file))
    types = Path(service.env["TASK_TYPES_FILE"])
    other = fresh(new_service, TASK_TYPES_FILE=str(types.with_name("nowhere.toml")))
    said = other.manage("restore", str(backup_file)).stdout
    assert f"Task types that differ from the backup's: {types.name}." in said
    assert "nowhere.toml" in refused(other, "backup", str(backup_file.with_name("b")))
    other.env["TASK_TYPES_FILE"] = str(types)
    assert other.manage("list_tasks").stdout.count("\n") == 1


def test_a_restore_is_refused_while_the_service_runs(new_service, backup_file):
    service = new_service()
    service.run()
    service.manage("backup", str(backup_file))
    said = refused(service, "restore", "--replace", str(backup_file))
    assert "The database is in use" in said
    assert "make stop" in said
    task = service.create("three-steps")
    assert service.wait_for(task)["status"] == "completed"


def test_data_is_replaced_only_when_that_is_said(new_service, backup_file):
    service = new_service()
    service.manage("backup", str(backup_file))
    service.manage("submit", "three-steps")
    said = refused(service, "restore", str(backup_file))
    assert "tasks: 1" in said
    assert "--replace" in said
    assert service.manage("list_tasks").stdout
    service.manage("restore", "--replace", str(backup_file))
    assert not service.manage("list_tasks").stdout


def test_a_backup_of_an_earlier_release_is_migrated(new_service, backup_file):
    service = fresh(new_service)
    if service.env["DATABASE_URL"]:
        service.manage("migrate", "tasks", "0023", "-v0")
    else:
        service.manage("migrate", "-v0")
        service.manage("migrate", "tasks", "0024", "-v0")
    service.manage("backup", str(backup_file))
    other = fresh(new_service)
    other.manage("restore", str(backup_file))
    left = other.manage("showmigrations", "--plan").stdout
    assert "[X]" in left
    assert "[ ]" not in left


def test_a_backup_replaces_the_database_of_a_later_release(new_service, backup_file):
    service = new_service()
    service.manage("submit", "three-steps")
    service.manage("backup", str(backup_file))
    service.manage("shell", "-v0", "-c", UPDATE)
    service.manage("restore", "--replace", str(backup_file))
    assert service.manage("list_tasks").stdout.count("\n") == 1
    looked = service.manage("shell", "-v0", "-c", LOOK)
    assert looked.stdout.split()[-1] == "False"


# As the next release's migrations might.
UPDATE = """
from django.db import connection
key = "uuid" if connection.vendor == "postgresql" else "char(32)"
with connection.cursor() as cursor:
    cursor.execute(
        f"CREATE TABLE tasks_novelty (task_id {key} PRIMARY KEY REFERENCES tasks_task)"
    )
    cursor.execute("INSERT INTO tasks_novelty SELECT id FROM tasks_task")
"""
LOOK = """
from django.db import connection
print("tasks_novelty" in connection.introspection.table_names())
"""


def test_a_store_comes_back_without_what_a_sync_had_not_finished(
    new_service, backup_file
):
    service = new_service()
    store = service.data_dir / "resources/store/ios"
    for name, content in {
        "versions/v1/manifest.jsonl": "sealed",
        "versions/v1/a.bin": "a",
        "versions/v2/b.bin": "half",
        ".staging/lock": "",
        "current.json": "{}",
        "channels/beta.json": "{}",
    }.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text(content)
    service.manage("backup", str(backup_file))
    other = fresh(new_service)
    said = other.manage("restore", str(backup_file)).stdout
    assert "Stores restored: ios." in said
    back = other.data_dir / "resources/store/ios"
    found = sorted(
        str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()
    )
    assert found == [
        "channels/beta.json",
        "current.json",
        "versions/v1/a.bin",
        "versions/v1/manifest.jsonl",
        "versions/v2/b.bin",
    ]
    (back / "current.json").write_text("newer")
    said = other.manage("restore", "--replace", str(backup_file)).stdout
    assert "Stores left as they are: ios." in said
    assert (back / "current.json").read_text() == "newer"


def test_secrets_are_left_out_unless_they_are_asked_for(new_service, tmp_path):
    service = new_service()
    for options, is_there in (((), False), (("--with-secrets",), True)):
        file = tmp_path / f"{is_there}.zip"
        service.manage("backup", str(file), *options)
        assert file.stat().st_mode & 0o777 == 0o600
        with zipfile.ZipFile(file) as archive:
            settings = archive.read("settings.env").decode()
        assert (service.env["SECRET_KEY"] in settings) is is_there
        assert "RATE_LIMIT_READ=0" in settings


def test_a_disk_without_room_leaves_no_half_backup(new_service, small_disk):  # noqa: F811
    service = new_service()
    fill(small_disk)
    said = refused(service, "backup", str(small_disk / "backup.zip"))
    assert "There is no room on the disk of" in said
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


@pytest.mark.skipif(
    bool(reason_against_memory_disk()), reason="no disk can be made here"
)
def test_a_restore_without_room_leaves_the_old_database(
    new_service,
    small_disk,  # noqa: F811
    tmp_path,
):
    service = new_service()
    file = tmp_path / "backup.zip"
    service.manage("backup", str(file))
    service.manage("submit", "three-steps")
    folder = small_disk / "data"
    shutil.copytree(service.data_dir, folder)
    service.env["DATA_DIR"] = str(folder)
    before = service.manage("list_tasks").stdout
    ballast = fill(small_disk)
    said = refused(service, "restore", "--replace", str(file))
    assert "There is no room on the disk of" in said
    ballast.unlink()
    assert service.manage("list_tasks").stdout == before
    assert not list(folder.glob("*restor*"))


def test_each_command_of_the_how_to_works_as_printed(new_service, new_database_url):
    """In the order of the page, with this machine's paths and names."""
    service = new_service(DATABASE_URL="")
    service.manage("migrate", "-v0")
    service.manage("submit", "three-steps")
    guide = (ROOT / "docs/how-to/backup.md").read_text()
    printed = re.findall(r"^\.venv/bin/python manage\.py (.+)$", guide, re.MULTILINE)
    names = [command.split()[0] for command in printed]
    assert names == ["backup", "restore", "restore", "move_database"]
    places = {"/var/backups": str(service.data_dir)}
    if os.environ.get("TEST_DATABASE_URL"):
        url = "postgres://resource_sync@db.example.com/resource_sync"
        places[url] = new_database_url.empty()
    else:
        printed.pop()
    for command in printed:
        for there, here in places.items():
            command = command.replace(there, here)
        service.manage(*command.split())
    if len(printed) == 4:
        service.env["DATABASE_URL"] = places[url]
    assert "three-steps" in service.manage("list_tasks").stdout
