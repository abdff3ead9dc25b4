"""Everything moves from SQLite to PostgreSQL and back, and both are the same."""

import os
import subprocess
import sys

import pytest

from tests.waiting import PATIENCE_SECONDS

from .conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

FILL = r"""
import uuid
from django.db import connection
from django.utils import timezone
from django.contrib.sessions.backends.db import SessionStore
from tasks.access.actor import Actor
from tasks.models import Freeze, Presence, QueuePause, Schedule, ScheduleRun, Task
from tasks.models import HandOverLink, IdempotencyKey, Identity
from tasks.logs.packing import pack
from tests.factories import ApiKeyFactory, RunnerFactory, TaskFactory, UserFactory
from tests.factories import write_log
import datetime

now = timezone.now()
odd = ["", " ", "\t", "\\", "\\N", "\\.", "a\tb\nc\rd\\te", "\x01\x7f"]
odd += ["中文 \U0001f600", "\u202e\ufeff\u2028", "'\"%s{}", "x" * 65_536, "é" * 30_000]
odd += ["NULL", "\\x41"]
for number in range(10):
    task = TaskFactory(
        status="completed", params={"a": "\t\\", "b": 1.5, "c": [None, True, {"ü": 1}]},
        result={"success": True, "results": [1e-7, 12345678901234567890]},
        created_from="2001:db8::1" if number else "192.0.2.1", pinned=number == 1,
        runner=RunnerFactory(process_started=1764490000.12 + number / 7),
        summary="# x\n\\" , log_sha256="ab" * 32,
    )
    write_log(task, *[f"line {n}" for n in range(LINES // 10)], *odd)
TaskFactory(rerun_of=task, params={})
user = UserFactory(username="álice", is_staff=True, group="operator")
ApiKeyFactory(networks="10.0.0.0/8", expires_at=now)
Freeze.objects.create(types=["sync-*"], begins_at=now, ends_at=now.replace(year=2100),
                      reason="x", created_by="y")
schedule = Schedule.objects.create(name="nightly", type="full-sync", cron="0 3 * * *",
                                   params={"version": "v1"}, next_run_at=now)
ScheduleRun.objects.create(schedule=schedule, due_at=now, outcome="started", task=task)
Identity.objects.create(issuer="https://x", subject="1", user=user)
QueuePause.objects.create(type="probe", reason="r", paused_by="p")
store = SessionStore(); store["x"] = 1; store.save()
# The lines of two tasks are packed, and most of a third one.
packed = 0
for part in pack(now.replace(year=2100)):
    packed += part.lines
    if packed > PACKED:
        break
"""
# What both databases say, as Django reads it: not by the command's own reading.
DIGESTS = """
import hashlib, json
from django.apps import apps
for model in apps.get_models(include_auto_created=True):
    table = model._meta.db_table
    if table == "django_migrations":
        continue
    digest, count = hashlib.sha256(), 0
    rows = model._base_manager.values_list()
    if table == "tasks_auditevent":
        rows = rows.exclude(action="database.move")
    for row in sorted(json.dumps(row, default=str, sort_keys=True) for row in rows):
        digest.update(row.encode())
        count += 1
    print(table, count, digest.hexdigest())
"""
NEW_TASK = """
from tasks.models import Task
from tasks.access.actor import Actor
from tasks.lifecycle import submit
before = Task.objects.order_by("-number").values_list("number", flat=True)[0]
task = submit("check-integrity", {"version": "v885"}, Actor("x"))
task.refresh_from_db()
print(task.number > before)
"""


@pytest.fixture
def to_postgresql(new_database_url):
    """An empty database there, without a table."""
    if not os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("PostgreSQL: TEST_DATABASE_URL is not set")
    return new_database_url.empty


@pytest.fixture
def source(new_service):
    """A product on SQLite."""

    def make(lines, packed=-1):
        service = new_service(DATABASE_URL="")
        service.manage("migrate", "-v0")
        code = FILL.replace("LINES", str(lines))
        shell(service, code.replace("PACKED", str(packed)))
        return service

    return make


def shell(service, code, **settings):
    before = dict(service.env)
    service.env.update(settings)
    try:
        return service.manage("shell", "-v0", "-c", code, cwd=ROOT).stdout
    finally:
        service.env.clear()
        service.env.update(before)


def refused(service, *arguments):
    done = service.manage(*arguments, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_everything_is_the_same_there_and_back(source, to_postgresql, tmp_path):
    service, url = source(100_000, packed=30_000), to_postgresql()
    before = shell(service, DIGESTS)
    assert "tasks_logline 70120 " in before
    assert "tasks_logblock 17 " in before
    said = service.manage("move_database", url).stdout
    tables = len(before.strip().splitlines())
    assert f"Moved and compared: {tables} tables" in said
    assert "set DATABASE_URL" in said
    assert shell(service, DIGESTS, DATABASE_URL=url) == before
    assert shell(service, DIGESTS) == before
    assert shell(service, NEW_TASK, DATABASE_URL=url).strip() == "True"
    back = f"sqlite:///{tmp_path}/back%20again.sqlite3"
    there = shell(service, DIGESTS, DATABASE_URL=url)
    service.env["DATABASE_URL"] = url
    service.manage("move_database", back)
    assert shell(service, DIGESTS, DATABASE_URL=back) == there
    other = to_postgresql()
    service.manage("move_database", other)
    assert shell(service, DIGESTS, DATABASE_URL=other) == there
    service.env["DATABASE_URL"] = other
    service.prepare()
    service.run()
    task = service.create("say", text="moved")
    assert service.wait_for(task)["status"] == "completed"


def test_what_postgresql_can_t_hold_is_replaced_and_told(source, to_postgresql):
    service, url = source(10), to_postgresql()
    shell(
        service,
        r"""
import json
from django.db import connection
with connection.cursor() as cursor:
    lines = "UPDATE tasks_logline SET message = "
    cursor.execute(lines + "'a' || char(0) || 'b' WHERE seq = 1")
    cursor.execute(lines + "CAST(x'61ff62' AS TEXT) WHERE seq = 2")
    bad = '{"x": ["\\u0000", "\\ud800", "\\ud83d\\ude00"], "y": 1e300, "z": 1.50}'
    cursor.execute("UPDATE tasks_task SET params = %s WHERE pinned", [bad])
""",
    )
    assert "In 21 rows" in service.manage("move_database", url).stdout
    found = shell(
        service,
        "from tasks.models import LogLine, Task\n"
        "print(set(LogLine.objects.filter(seq__in=[1, 2]).values_list('message')))\n"
        "print(Task.objects.get(pinned=True).params['x'])\n",
        DATABASE_URL=url,
    )
    assert found.splitlines() == [
        "{('a\N{REPLACEMENT CHARACTER}b',)}",
        "['\N{REPLACEMENT CHARACTER}', '\N{REPLACEMENT CHARACTER}', '😀']",
    ]


def test_a_database_with_data_or_in_use_is_refused(source, to_postgresql):
    service, url = source(10), to_postgresql()
    service.prepare()
    service.start("web")
    service.start("runner")
    service.wait_healthy()
    said = refused(service, "move_database", url)
    assert "The database is in use" in said
    service.stop()
    service.manage("move_database", url)
    said = refused(service, "move_database", url)
    assert "is not empty (tasks: 11, " in said
    assert "no database" in refused(service, "move_database", "mysql://x/y")
    assert "can't be reached" in refused(service, "move_database", url + "-none")
    assert "nothing to move" in refused(service, "move_database", "sqlite:////x/y")


@pytest.mark.parametrize("mark", ["auth_user: 1", "tasks_logline: ", "Comparing…"])
def test_a_move_that_is_killed_can_be_made_again(source, to_postgresql, mark):
    service, url = source(20_000), to_postgresql()
    before = shell(service, DIGESTS)
    with subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "move_database", url],
        env=service.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stderr:
            if line.startswith(mark):
                process.kill()
                break
        assert process.wait(PATIENCE_SECONDS) < 0
    assert shell(service, DIGESTS) == before
    service.manage("move_database", url)
    assert shell(service, DIGESTS, DATABASE_URL=url) == before
