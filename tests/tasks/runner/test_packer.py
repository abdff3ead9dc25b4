"""A runner packs the lines of ended tasks beside its tasks."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from tasks.logs import blocks, packing
from tasks.logs import store as log_store
from tasks.logs.packing import MIGRATION
from tasks.models import LogBlock, LogLine
from tasks.runner import packer as packer_module
from tasks.runner.packer import Packer
from tests.factories import TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _old_tables(monkeypatch):
    """The tables came long ago, and a block has ten lines."""
    for module in (blocks, packing):
        monkeypatch.setattr(module, "LINES_OF_A_BLOCK", 10)
    came = MigrationRecorder.Migration.objects.filter(name__endswith=MIGRATION)
    came.update(applied=timezone.now() - timedelta(days=2))


def ended(hours, lines=25):
    at = timezone.now() - timedelta(hours=hours)
    task = TaskFactory(status="completed", completed_at=at)
    write_log(task, *[f"line {n}" for n in range(lines)])
    return task


def packed():
    return set(LogBlock.objects.values_list("task_id", flat=True))


def look(packer):
    """Let it do all that one look finds."""
    packer._rests_until = 0.0
    packer.pack()
    while packer._parts is not None:
        assert packer.due_at is not None
        packer.pack()


def test_what_ended_longer_ago_than_said_is_packed():
    old, new = ended(hours=1.1), ended(hours=0.9)
    expected = log_store.rows(old.pk, 0)
    look(Packer())
    assert packed() == {old.pk}
    assert set(LogLine.objects.values_list("task_id", flat=True)) == {new.pk}
    assert log_store.rows(old.pk, 0) == expected


def test_it_does_a_block_at_a_time_and_rests_for_longer_than_that_took():
    ended(hours=2)
    packer, counts = Packer(), []
    packer._rests_until = 0.0
    assert packer.is_due(1.0)
    packer.pack()
    while packer._parts is not None:
        counts.append(LogLine.objects.count())
        assert packer.due_at > 0.0
        packer.pack()
    steps = {before - after for before, after in pairwise(counts)}
    assert steps == {0, 5, 10}
    assert not packer.is_due(packer.due_at - 1)


@pytest.mark.parametrize("never", [0, 0.0])
def test_nothing_is_packed_where_the_setting_says_never(settings, never):
    settings.PACK_AFTER = never
    packer = Packer()
    assert packer.due_at is None
    assert not packer.is_due(float("inf"))


def test_nothing_is_packed_on_the_day_of_an_update():
    ended(hours=2)
    MigrationRecorder.Migration.objects.filter(name__endswith=MIGRATION).update(
        applied=timezone.now() - timedelta(hours=23)
    )
    look(Packer())
    assert not packed()


def test_a_task_that_can_t_be_packed_keeps_no_other_waiting():
    tasks = sorted([ended(hours=2), ended(hours=2)], key=lambda task: task.pk)
    bad = tasks[0].pk

    def refuse(execute, sql, params, many, context):
        if "ORDER BY seq" in sql and str(params[0]).replace("-", "") == bad.hex:
            raise DatabaseError("Could not decode to UTF-8")
        return execute(sql, params, many, context)

    packer = Packer()
    with connection.execute_wrapper(refuse):
        with pytest.raises(DatabaseError):
            look(packer)
        assert packer.due_at is not None
        look(packer)
        assert packed() == {tasks[1].pk}
    look(packer)
    assert packed() == {task.pk for task in tasks}


def test_a_log_that_can_t_be_packed_ends_no_runner(monkeypatch, caplog):
    tasks = sorted([ended(hours=2), ended(hours=2)], key=lambda task: task.pk)
    true = blocks.unpacked
    monkeypatch.setattr(
        blocks,
        "unpacked",
        lambda block: [] if block.task_id == tasks[0].pk else true(block),
    )
    packer = Packer()
    look(packer)
    assert f"task={tasks[0].pk} Its log can't be packed" in caplog.text
    assert LogLine.objects.filter(task=tasks[0]).count() == 25
    look(packer)
    assert packed() == {tasks[1].pk}


def test_it_looks_again_after_a_while():
    assert packer_module.PACK_SECONDS <= 60
    packer = Packer()
    look(packer)
    task = ended(hours=2)
    look(packer)
    assert packed() == {task.pk}
