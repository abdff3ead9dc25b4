"""Lines in the database: written in batches, read in pages."""

import hashlib

import pytest
from django.db import IntegrityError, connection, transaction

from tasks.logs import store as log_store
from tasks.logs.append import append
from tasks.logs.store import Line
from tests.factories import TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_a_batch_holds_lines_of_many_tasks():
    first, second = TaskFactory(status="running"), TaskFactory(status="running")
    with transaction.atomic():
        append(
            [
                (
                    first.pk,
                    [Line(1, 1000, "stdout", "a"), Line(2, 1001, "stderr", "b")],
                ),
                (second.pk, [Line(1, 1000, "info", "版本 \u2028 \t\\N")]),
            ]
        )
    assert [line.message for line in log_store.read(first.pk, 0)] == ["a", "b"]
    assert log_store.read(second.pk, 0)[0].message == "版本 \u2028 \t\\N"


def test_a_line_is_written_once():
    task = TaskFactory(status="running")
    write_log(task, "a")
    with pytest.raises(IntegrityError), transaction.atomic():
        append([(task.pk, [Line(1, 1, "stdout", "again")])])


def test_pages_follow_each_other_without_gap_or_overlap():
    task = TaskFactory(status="running")
    write_log(task, *(str(n) for n in range(1, 26)))
    seen, after = [], 0
    while page := log_store.page(task.pk, after, 10).lines:
        seen += [line["seq"] for line in page]
        after = seen[-1]
    assert seen == list(range(1, 26))


def test_lines_are_filtered_by_level_and_text():
    task = TaskFactory(status="running")
    write_log(task, "Alpha", ("stderr", "alpha 2"), ("error", "100%_"), "beta")
    assert [x["seq"] for x in log_store.page(task.pk, 0, 9, levels=["stderr"])[0]] == [
        2
    ]
    assert [x["seq"] for x in log_store.page(task.pk, 0, 9, q="ALPHA")[0]] == [1, 2]
    assert [x["seq"] for x in log_store.page(task.pk, 0, 9, q="%_")[0]] == [3]


def test_the_newest_lines_end_at_the_last_seq():
    task = TaskFactory(status="running")
    write_log(task, "a", "b", "c", "d")
    assert [x["message"] for x in log_store.newest(task.pk, 4, 2)] == ["c", "d"]
    assert [x["message"] for x in log_store.newest(task.pk, 2, 5)] == ["a", "b"]


@pytest.mark.parametrize(
    ("sizes", "most", "kept"),
    [
        ([10, 10, 10], 30, 3),
        ([10, 10, 10], 29, 2),
        ([10] * 100, 999, 99),
        ([10] * 100, 330, 33),
        ([10] * 32 + [700, 10], 1000, 32),
        ([50], 10, 1),
        ([50, 1], 10, 1),
        ([1, 50], 10, 1),
        ([50] + [1] * 40, 10, 1),
    ],
)
def test_a_page_has_whole_lines_of_so_many_bytes_and_one_at_least(sizes, most, kept):
    task = TaskFactory()
    lines = [(n, 0, "stdout", "é" * (size // 2)) for n, size in enumerate(sizes, 1)]
    lines = [
        (*line[:3], line[3] + "x" * (size % 2))
        for line, size in zip(lines, sizes, strict=True)
    ]
    with transaction.atomic():
        append([(task.pk, lines)])
    found, is_cut = log_store.rows_within(most, task.pk, 0)
    assert found == lines[:kept]
    assert is_cut == (kept < len(lines))


def test_the_digest_is_that_of_the_text(monkeypatch):
    monkeypatch.setattr(log_store, "READ_CHUNK", 2)
    task = TaskFactory(status="running")
    write_log(task, "一", "two", "")
    text = "一\ntwo\n\n"
    assert "".join(log_store.as_text(task.pk)) == text
    assert log_store.sha256(task.pk) == hashlib.sha256(text.encode()).hexdigest()


def test_lines_after_a_number_are_found_by_the_primary_key():
    task = TaskFactory(status="running")
    write_log(task, *(str(n) for n in range(2000)))
    other = TaskFactory(status="running")
    write_log(other, "x")
    key = task.pk if connection.vendor == "postgresql" else task.pk.hex
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE tasks_logline")
            explain = "EXPLAIN"
        else:
            explain = "EXPLAIN QUERY PLAN"
        cursor.execute(
            f"{explain} SELECT seq FROM tasks_logline "
            "WHERE task_id = %s AND seq > %s ORDER BY seq LIMIT 10",
            [key, 1990],
        )
        plan = str(cursor.fetchall())
    assert "Index" in plan or "INDEX" in plan, plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
