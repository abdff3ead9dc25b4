"""A database of an earlier release, migrated by this one."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.waiting import PATIENCE_SECONDS

from .conftest import ROOT

pytestmark = pytest.mark.e2e


@pytest.fixture
def manage(tmp_path):
    """Calls ``manage.py`` on a database of its own, db.sqlite3 in the folder."""
    places = {"DATA_DIR": str(tmp_path), "LOG_DIR": str(tmp_path / "logs")}
    secret = {"SECRET_KEY": secrets.token_hex(32), "DATABASE_URL": ""}

    def call(*arguments):
        return subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env={**os.environ, **places, **secret},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        ).stdout

    return call


def insert_as_before(database, age, key):
    """A task with an idempotency key, as the release before 0011 wrote it."""
    at = (datetime.now(UTC) - age).isoformat(" ")[:26]
    task_id = uuid.uuid4()
    values = {
        "id": task_id.hex,
        "type": "check-integrity",
        "params": '{"version": "v885"}',
        "version": "v885",
        "status": "pending",
        "created_at": at,
        "created_by": "key:ci",
        "idempotency_key": key,
        **dict.fromkeys(("progress", "step_index", "step_count", "last_seq"), 0),
        **dict.fromkeys(("step_name", "log_sha256", "cancel_requested_by"), ""),
        **dict.fromkeys(("cancel_forced", "pinned"), False),
        "trail": "[]",
        "attempt": 1,
    }
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"INSERT INTO tasks_task ({', '.join(values)}) "
            f"VALUES ({', '.join('?' * len(values))})",
            list(values.values()),
        )
    connection.close()
    return str(task_id)


SENT_AGAIN = """
import json
from tasks.access.actor import Actor
from tasks.lifecycle import submit
from tasks.models import IdempotencyKey
given, ci = {"version": "v885"}, Actor("key:ci")
kept = list(IdempotencyKey.objects.values_list("key", flat=True))
again = submit("check-integrity", given, ci, idempotency_key="deploy-1")
print(json.dumps([kept, str(again.pk)]))
"""


def test_idempotency_keys_of_the_last_day_still_hold_after_an_upgrade(manage, tmp_path):
    manage("migrate", "tasks", "0008", "-v0")
    database = tmp_path / "db.sqlite3"
    first = insert_as_before(database, timedelta(hours=23), "deploy-1")
    insert_as_before(database, timedelta(hours=25), "deploy-0")
    manage("migrate", "-v0")
    kept, again = json.loads(manage("shell", "-v0", "-c", SENT_AGAIN))
    assert kept == ["deploy-1"]
    assert again == first


def test_the_release_before_goes_on_writing_its_keys_until_its_restart(
    manage, tmp_path
):
    manage("migrate", "-v0")
    insert_as_before(tmp_path / "db.sqlite3", timedelta(), "deploy-2")


IN_TURN = """
import json
from tasks.runner.claim import claim
from tasks.models import Runner, Task
from tests.factories import RunnerFactory, TaskFactory
new = TaskFactory()
numbers = {str(pk): n for pk, n in Task.objects.values_list("pk", "number")}
runner = RunnerFactory()
claimed = [str(claim(runner).pk) for _ in range(4)]
print(json.dumps([numbers, claimed, str(new.pk)]))
"""


def test_tasks_that_wait_during_an_upgrade_keep_their_turn(manage, tmp_path):
    manage("migrate", "tasks", "0008", "-v0")
    database = tmp_path / "db.sqlite3"
    second, first, third = [
        insert_as_before(database, timedelta(hours=hours), None) for hours in (2, 3, 1)
    ]
    manage("migrate", "-v0")
    numbers, claimed, new = json.loads(manage("shell", "-v0", "-c", IN_TURN))
    assert numbers == {first: 1, second: 2, third: 3, new: 4}
    assert claimed == [first, second, third, new]
