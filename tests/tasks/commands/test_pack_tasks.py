"""manage.py pack_tasks."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks.logs import store as log_store
from tasks.models import LogBlock, LogLine
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def run(*arguments):
    out = StringIO()
    call_command("pack_tasks", *arguments, stdout=out)
    return out.getvalue()


def ended(minutes):
    at = timezone.now() - timedelta(minutes=minutes)
    task = TaskFactory(status="completed", completed_at=at)
    write_log(task, "世界", "two")
    return task


def test_what_ended_a_while_ago_is_packed_and_counted():
    old, _ = ended(61), ended(59)
    assert "Packed 2 lines of 1 tasks: 9 bytes of messages into" in run()
    assert LogBlock.objects.get().task_id == old.pk
    found = json.loads(run("--json", "--all"))
    assert found["packedBytes"] > 0
    assert {**found, "packedBytes": 0} == {
        "tasks": 1,
        "lines": 2,
        "messageBytes": 9,
        "packedBytes": 0,
    }
    assert not LogLine.objects.exists()


def test_where_nothing_is_packed_by_itself_all_has_to_be_said(settings):
    ended(61)
    settings.PACK_AFTER = 0
    with pytest.raises(CommandError, match="PACK_AFTER is 0"):
        run()
    assert json.loads(run("--json", "--all"))["lines"] == 2


def test_undo_unpacks_everything():
    task = ended(61)
    expected = log_store.rows(task.pk, 0)
    run()
    assert run("--undo") == "Unpacked 2 lines.\n"
    assert not LogBlock.objects.exists()
    assert LogLine.objects.count() == 2
    assert log_store.rows(task.pk, 0) == expected
    assert json.loads(run("--undo", "--json")) == {"unpackedLines": 0}


def test_undo_is_refused_while_a_runner_lives():
    ended(61)
    run()
    RunnerFactory()
    with pytest.raises(CommandError, match="A runner is alive; stop the service"):
        run("--undo")
    assert LogBlock.objects.exists()


def test_undo_and_all_are_not_said_together():
    with pytest.raises(CommandError, match="not allowed with"):
        run("--undo", "--all")
