"""Packed lines: whoever reads a log can't tell that it is packed, or that it is being
packed."""

import json
from datetime import timedelta
from itertools import islice

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from tasks.logs import blocks, packing, pages
from tasks.logs import search as log_search
from tasks.logs import store as log_store
from tasks.logs.packing import MIGRATION, may_begin, pack, pack_at_leisure, unpack
from tasks.models import LogBlock, LogLine, PrunedLog, Task
from tasks.pruning import prune_at_leisure
from tests.factories import KEEP_NONE, NOON, TaskFactory, write_log
from tests.tasks.logs.readers import COUNT, ODD, READERS
from tests.tasks.test_pruning import CRON

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

LATER = NOON + timedelta(days=365_00)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """A log of some 80 lines has many blocks, pages and pieces."""
    for module in (blocks, packing):
        monkeypatch.setattr(module, "LINES_OF_A_BLOCK", 8)
    monkeypatch.setattr(packing, "BYTES_OF_A_BLOCK", 1_000)
    monkeypatch.setattr(blocks, "BLOCKS_AT_ONCE", 2)
    monkeypatch.setattr(pages, "PAGE_LINES", 4)
    monkeypatch.setattr(log_search, "PIECE_LINES", 25)
    monkeypatch.setattr(log_search, "LOOK_SECONDS", 60)
    monkeypatch.setattr(log_store, "MOST_SAMPLES", 11)


@pytest.fixture
def task(db):
    return ended()


def ended(**fields):
    task = TaskFactory(
        status="failed",
        completed_at=NOON,
        trail=[[0, 1, "match", 0, None], [40, 43, "check", 50, None]],
        result={"success": False, "results": [], "firstError": {"seq": 69}},
        **fields,
    )
    write_log(task, *ODD * 6)
    # A clock that was set meanwhile.
    LogLine.objects.filter(task=task, seq__gt=50).update(at_ms=1_000)
    Task.objects.filter(pk=task.pk).update(log_sha256=log_store.sha256(task.pk))
    task.refresh_from_db()
    return task


def rows_of(task):
    lines = LogLine.objects.filter(task=task).order_by("seq")
    return list(lines.values_list("seq", flat=True))


# --- Every way to read a log --------------------------------------------------------


def test_a_packed_log_reads_as_it_was(task):
    expected = {name: read(task) for name, read in READERS.items()}
    stored = (part for part in pack(LATER) if part.lines)
    while list(islice(stored, 4)):
        left = len(rows_of(task))
        for name, read in READERS.items():
            assert read(task) == expected[name], f"{name}, {left} rows in the table"
    assert not LogLine.objects.exists()
    assert LogBlock.objects.count() > 8


class PackedBetween:
    """Before each statement of a reader but its first some lines are packed."""

    def __init__(self):
        self.count = 0
        self._steps, self._is_packing = pack(LATER), False

    def __call__(self, execute, sql, params, many, context):
        if not self._is_packing:
            if self.count:
                self._pack()
            self.count += 1
        return execute(sql, params, many, context)

    def _pack(self):
        self._is_packing = True
        for part in self._steps:
            if part.lines:
                break
        self._is_packing = False


@pytest.mark.parametrize("already", [0, 7])
def test_who_reads_while_lines_are_packed_sees_each_once(already):
    statements = 0
    for name, read in READERS.items():
        task = ended()
        expected = read(task)
        steps = pack(LATER)
        for _ in range(already):
            next(steps)
        between = PackedBetween()
        with connection.execute_wrapper(between):
            assert read(task) == expected, name
        statements += between.count
        LogLine.objects.all().delete()  # the next one is alone
    assert statements > 2 * len(READERS)


PATHS = [
    "",
    "/status",
    "/logs",
    "/logs?after=30&limit=7",
    "/logs?before=40&limit=9&level=stderr",
    "/logs?q=verified",
    "/logs?level=error&level=info",
    "/logs/matches?q=verified",
    "/logs/landmarks",
    "/logs/summary",
    "/logs.txt",
    "/log?offset=-1",
    "/log?offset=0000000000000008",
    "/export.html",
]


@pytest.mark.parametrize("path", PATHS)
def test_answers_are_the_same_with_their_headers(alice, task, path):
    client = Client()
    client.force_login(alice)

    def answer():
        found = client.get(f"/api/tasks/{task.pk}{path}")
        body = b"".join(found) if found.streaming else found.content
        headers = {k: v for k, v in found.headers.items() if k != "X-Request-ID"}
        assert found.status_code == 200, body
        if path == "/export.html":  # the rest says when it was made, and is signed
            return body[body.index(b"<pre") : body.rindex(b"</pre>")]
        return headers, body

    before = answer()
    pack_at_leisure(LATER)
    assert not LogLine.objects.exists()
    assert answer() == before


# --- What is packed -----------------------------------------------------------------


def test_only_what_ended_before_the_moment_is_packed(task):
    running = TaskFactory(status="running")
    blocked = TaskFactory(status="blocked")
    pending = TaskFactory(status="pending")
    recent = TaskFactory(status="completed", completed_at=NOON + timedelta(hours=2))
    for other in (running, blocked, pending, recent):
        write_log(other, "a", "b")
    found = pack_at_leisure(NOON + timedelta(hours=1))
    assert (found.tasks, found.lines) == (1, COUNT)
    assert rows_of(task) == []
    assert LogLine.objects.count() == 8
    assert set(LogBlock.objects.values_list("task_id", flat=True)) == {task.pk}


def test_what_was_packed_is_told_with_its_bytes(task):
    text = "".join(row[3] for row in log_store.rows(task.pk, 0))
    found = pack_at_leisure(LATER)
    assert found.message_bytes == len(text.encode())
    columns = LogBlock.objects.values_list("stamps", "messages")
    assert found.packed_bytes == sum(len(bytes(x)) + len(bytes(y)) for x, y in columns)
    assert pack_at_leisure(LATER) == (0, 0, 0, 0)


def test_a_block_has_so_many_lines_and_bytes_and_ends_with_a_pair_of_pages(task):
    pack_at_leisure(LATER)
    spans = list(LogBlock.objects.order_by("last_seq").values_list("first_seq", "pk"))
    assert spans[0][0] == 1
    for first, (_, last) in spans:
        rows = log_store.rows(task.pk, first - 1, last)
        assert (first - 1) // 8 == (last - 1) // 8
        assert sum(len(row[3].encode()) for row in rows) <= 1_000


def test_a_line_longer_than_a_block_is_packed_alone(db):
    task = TaskFactory(status="completed", completed_at=NOON)
    write_log(task, "short", "x" * 5_000, "short")
    expected = log_store.rows(task.pk, 0)
    pack_at_leisure(LATER)
    assert LogBlock.objects.count() == 3
    assert log_store.rows(task.pk, 0) == expected


def test_what_a_log_lacks_it_still_lacks(task):
    LogLine.objects.filter(task=task, seq__in=[5, 6, 30]).delete()
    expected = log_store.rows(task.pk, 0)
    pack_at_leisure(LATER)
    assert not LogLine.objects.exists()
    assert log_store.rows(task.pk, 0) == expected


def test_lines_that_come_after_the_packing_are_read_behind_it(task):
    pack_at_leisure(LATER)
    write_log(task, "late")
    late = log_store.rows(task.pk, COUNT - 1)
    assert [row[3] for row in late] == [ODD[-1][1], "late"]
    expected = log_store.rows(task.pk, 0)
    assert pack_at_leisure(LATER).lines == 1
    assert log_store.rows(task.pk, 0) == expected


# --- Whoever disturbs it ------------------------------------------------------------


@pytest.mark.parametrize("steps", range(1, 30, 3))
def test_what_was_left_in_the_middle_is_finished_by_the_next_one(task, steps):
    expected = log_store.rows(task.pk, 0)
    first = pack(LATER)
    for _ in range(steps):
        next(first, None)
    first.close()  # whoever did this is dead
    assert log_store.rows(task.pk, 0) == expected
    pack_at_leisure(LATER)
    assert not LogLine.objects.exists()
    assert log_store.rows(task.pk, 0) == expected


@pytest.mark.parametrize("verb", ["DELETE", "INSERT"])
def test_what_the_database_refuses_changes_nothing(task, verb):
    def refuse(execute, sql, params, many, context):
        if sql.startswith(verb):
            raise DatabaseError("The disk is full.")
        return execute(sql, params, many, context)

    expected = log_store.rows(task.pk, 0)
    with connection.execute_wrapper(refuse), pytest.raises(DatabaseError):
        pack_at_leisure(LATER)
    assert len(rows_of(task)) == COUNT
    assert not LogBlock.objects.exists()
    assert log_store.rows(task.pk, 0) == expected


def test_two_who_pack_the_same_lines_pack_them_once(task):
    expected = log_store.rows(task.pk, 0)
    slow = pack(LATER)
    next(slow), next(slow)  # it has made a block, and not stored it
    quick = pack(LATER)
    while not next(quick).lines:
        pass
    assert not any(part.lines for part in slow)
    assert len(rows_of(task)) + 8 >= COUNT
    pack_at_leisure(LATER)
    assert log_store.rows(task.pk, 0) == expected


def test_a_block_that_does_not_give_its_lines_back_is_not_stored(task, monkeypatch):
    monkeypatch.setattr(blocks, "_json", lambda value: json.dumps(value[::-1]).encode())
    monkeypatch.setattr(blocks, "unpacked", lambda block: [])
    with pytest.raises(packing.BlockDiffers):
        pack_at_leisure(LATER)
    assert len(rows_of(task)) == COUNT


def test_a_damaged_block_is_an_error_and_no_other_text(task):
    pack_at_leisure(LATER)
    block = LogBlock.objects.order_by("last_seq").first()
    data = bytearray(bytes(block.messages))
    data[len(data) // 2] ^= 0xFF
    LogBlock.objects.filter(pk=block.pk).update(messages=bytes(data))
    with pytest.raises(Exception, match=r"(?i)zstd|corrupt|checksum|decompress"):
        log_store.rows(task.pk, 0)


# --- Forgotten ----------------------------------------------------------------------


def test_a_forgotten_task_leaves_no_block(task, monkeypatch):
    pack_at_leisure(LATER)
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 1
    assert not LogBlock.objects.exists()


def test_of_a_long_log_blocks_go_with_the_lines(task, monkeypatch):
    monkeypatch.setattr("tasks.logs.removal.LINES_AT_ONCE", 10)
    monkeypatch.setattr("tasks.logs.removal.BLOCKS_AT_ONCE", 2)
    steps = pack(LATER)
    while LogBlock.objects.count() < 5:
        next(steps)
    assert rows_of(task)
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 1
    assert not any(part.lines for part in steps)
    for model in (LogBlock, LogLine, PrunedLog):
        assert not model.objects.exists()


# --- Back, and not at once ----------------------------------------------------------


def test_unpacked_lines_are_what_they_were(task):
    expected = list(LogLine.objects.order_by("seq").values_list())
    pack_at_leisure(LATER)
    for _ in unpack():
        assert [row[0] for row in log_store.rows(task.pk, 0)] == [*range(1, COUNT + 1)]
    assert not LogBlock.objects.exists()
    assert list(LogLine.objects.order_by("seq").values_list()) == expected


def test_packing_begins_a_day_after_its_tables_came():
    mine = MigrationRecorder.Migration.objects.filter(
        app="tasks", name__endswith=MIGRATION
    )
    assert mine.count() == 1
    for days, begins in [(0, False), (0.9, False), (1.1, True)]:
        mine.update(applied=timezone.now() - timedelta(days=days))
        assert may_begin() == begins


def test_a_line_is_in_one_place_only(task):
    """What the readers rely on."""
    steps = pack(LATER)
    while next(steps, None) is not None:
        last = max(LogBlock.objects.values_list("last_seq", flat=True), default=0)
        assert rows_of(task) == list(range(last + 1, COUNT + 1))
