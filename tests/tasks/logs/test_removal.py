"""The lines of deleted tasks go in parts that are short, whatever the lines are."""

import pytest
from django.db import transaction

from tasks.logs import removal
from tasks.logs.removal import bytes_between, remove_lines
from tasks.models import LogLine, PrunedLog, Task
from tests.factories import TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(removal, "LINES_AT_ONCE", 10)
    monkeypatch.setattr(removal, "BYTES_AT_ONCE", 1_000)


def forgotten(*logs):
    """Delete tasks that have these logs, and leave their lines."""
    for lines in logs:
        task = TaskFactory(status="completed")
        write_log(task, *lines)
        with transaction.atomic():
            Task.objects.forget([task.pk])


def test_a_part_has_at_most_so_many_lines():
    forgotten(["x"] * 34)
    assert list(remove_lines()) == [10, 10, 10, 4]
    assert not LogLine.objects.exists()
    assert not PrunedLog.objects.exists()


def test_lines_that_fill_parts_to_the_last_leave_no_note_behind():
    forgotten(["x"] * 20)
    assert sum(remove_lines()) == 20
    assert not PrunedLog.objects.exists()


def test_of_long_lines_fewer_go_at_once():
    forgotten(["x" * 400] * 7)
    assert list(remove_lines()) == [3, 3, 1]


def test_bytes_count_and_not_characters():
    forgotten(["发布" * 70] * 5)
    assert list(remove_lines()) == [3, 2]


def test_a_line_that_is_longer_than_a_part_goes_alone():
    forgotten(["x" * 5_000, "y" * 5_000, "z"])
    assert list(remove_lines()) == [1, 1, 1]


def test_short_logs_go_together():
    forgotten(*[["x"] * 3] * 7)
    assert list(remove_lines()) == [9, 9, 3]
    assert not PrunedLog.objects.exists()


def test_other_tasks_keep_their_lines():
    other = TaskFactory(status="completed")
    write_log(other, *["x"] * 15)
    forgotten(["y"] * 15)
    assert sum(remove_lines()) == 15
    assert other.lines.count() == 15


def test_lines_that_are_gone_already_are_no_trouble():
    forgotten(["x"] * 25)
    LogLine.objects.filter(seq__lte=12).delete()  # another process was here
    assert sum(remove_lines()) == 13
    assert not PrunedLog.objects.exists()


def test_a_log_s_size_is_that_of_its_text():
    task = TaskFactory(status="completed")
    write_log(task, "a", "发", "")
    assert bytes_between(task.pk, 0, 3) == len("a\n发\n\n".encode())
    assert bytes_between(task.pk, 1, 2) == len("发\n".encode())
    assert bytes_between(task.pk, 3, 9) == 0
