"""What is due is started once, whatever happens in between."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks.models import AuditEvent, Freeze, Schedule, ScheduleRun, Task
from tasks.schedules import due as due_module
from tasks.schedules.due import start_due
from tests.factories import TaskFactory
from tests.tasks.schedules.conftest import THREE, TYPES

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECOND, MINUTE, HOUR = (timedelta(seconds=n) for n in (1, 60, 3600))
DAY = timedelta(days=1)


def outcomes(schedule):
    runs = schedule.runs.order_by("due_at")
    return list(runs.values_list("due_at", "outcome", "cause"))


def test_nothing_starts_before_its_moment(schedule):
    schedule()
    assert start_due(THREE - SECOND) == 0
    assert not Task.objects.exists()


def test_what_is_due_is_started_by_its_name_and_linked_to_it(schedule):
    nightly = schedule(params={"version": "v7"})
    assert start_due(THREE + SECOND) == 1
    task = Task.objects.get()
    assert (task.type, task.version, task.status) == ("nightly", "v7", "pending")
    assert task.created_by == "schedule:nightly"
    assert task.definition_id
    assert task.schedule_run.schedule == nightly
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("create", "schedule:nightly")
    assert event.details["schedule"] == str(nightly.pk)
    nightly.refresh_from_db()
    assert nightly.next_run_at == THREE + DAY


def test_a_second_look_starts_nothing(schedule):
    schedule()
    assert [start_due(THREE + SECOND) for _ in range(3)] == [1, 0, 0]
    assert Task.objects.count() == 1


def test_a_clock_that_goes_back_brings_nothing_twice(schedule):
    nightly = schedule(cron="0 * * * *")
    start_due(THREE + SECOND)
    for minutes in range(-120, 60, 5):
        start_due(THREE + minutes * MINUTE)
    assert outcomes(nightly) == [(THREE, "started", "due")]


def test_a_moment_that_comes_again_after_a_resume_is_passed_over(schedule):
    nightly = schedule()
    start_due(THREE + SECOND)
    Schedule.objects.update(next_run_at=THREE)
    assert start_due(THREE + SECOND) == 1
    assert Task.objects.count() == 1
    nightly.refresh_from_db()
    assert nightly.next_run_at == THREE + DAY


def test_the_database_itself_takes_each_moment_once(schedule):
    nightly = schedule()
    start_due(THREE + SECOND)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScheduleRun.objects.create(schedule=nightly, due_at=THREE, outcome="started")


def test_what_fails_between_task_and_record_leaves_neither(schedule, monkeypatch):
    nightly = schedule()

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(ScheduleRun.objects, "bulk_create", die)
        with pytest.raises(KeyboardInterrupt):
            start_due(THREE + SECOND)
    assert not Task.objects.exists()
    start_due(THREE + SECOND)
    assert outcomes(nightly) == [(THREE, "started", "due")]


# --- Missed -------------------------------------------------------------------------


def test_a_run_that_is_a_little_late_is_started(schedule):
    nightly = schedule()
    start_due(THREE + 4 * MINUTE)
    assert outcomes(nightly) == [(THREE, "started", "due")]


def test_a_missed_night_is_left_out_and_seen(schedule):
    nightly = schedule()
    start_due(THREE + 5 * HOUR)
    assert outcomes(nightly) == [(THREE, "missed", "due")]
    assert nightly.runs.get().reason["code"] == "schedule-missed"
    assert not Task.objects.exists()


def test_a_missed_night_is_caught_up_where_it_says_so(schedule):
    nightly = schedule(catch_up="latest")
    start_due(THREE + 5 * HOUR)
    assert outcomes(nightly) == [(THREE, "started", "caught-up")]


def test_of_several_missed_nights_the_latest_is_caught_up_once(schedule):
    nightly = schedule(catch_up="latest")
    start_due(THREE + 3 * DAY + HOUR)
    assert outcomes(nightly) == [
        (THREE, "missed", "due"),
        (THREE + 3 * DAY, "started", "caught-up"),
    ]
    nightly.refresh_from_db()
    assert nightly.next_run_at == THREE + 4 * DAY


@pytest.mark.parametrize("jump", [HOUR, DAY], ids=["an-hour", "a-day"])
def test_a_clock_that_jumps_ahead_is_as_if_nobody_was_there(schedule, jump):
    none = schedule("none", cron="30 * * * *", next_run_at=THREE + 30 * MINUTE)
    latest = schedule(
        "latest",
        cron="30 * * * *",
        next_run_at=THREE + 30 * MINUTE,
        catch_up="latest",
    )
    start_due(THREE)
    start_due(THREE + jump)
    assert "started" not in {outcome for _, outcome, _ in outcomes(none)}
    assert [o for o in outcomes(latest) if o[1] == "started"] == [
        (THREE + jump - 30 * MINUTE, "started", "caught-up")
    ]


def test_a_job_of_every_minute_that_was_away_for_a_year_runs_once(schedule):
    often = schedule(cron="* * * * *", next_run_at=THREE - 365 * DAY)
    start_due(THREE + 20 * SECOND)
    assert outcomes(often)[-1] == (THREE, "started", "due")
    assert Task.objects.count() == 1


# --- In its way ---------------------------------------------------------------------


@pytest.fixture
def busy(schedule):
    """A schedule whose last task is in some state."""

    def make(status, **fields):
        made = schedule(**fields)
        task = TaskFactory(status=status)
        made.runs.create(due_at=THREE - DAY, outcome="started", task=task)
        return made

    return make


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_run_is_skipped_while_the_one_before_is_not_over(busy, status):
    nightly = busy(status)
    start_due(THREE)
    run = nightly.runs.first()
    assert (run.outcome, run.reason["code"]) == ("skipped", "schedule-overlap")
    assert run.reason["params"]["task"] == str(Task.objects.get().pk)


@pytest.mark.parametrize(
    ("status", "count"), [("running", 2), ("pending", 1)], ids=["running", "pending"]
)
def test_one_run_and_no_more_is_queued_behind_it(busy, status, count):
    nightly = busy(status, overlap="queue")
    start_due(THREE)
    assert Task.objects.count() == count
    start_due(THREE + DAY)
    assert Task.objects.count() == count
    assert nightly.runs.first().reason["code"] == "schedule-one-queued"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_is_over_is_in_nobody_s_way(busy, status):
    busy(status)
    start_due(THREE)
    assert Task.objects.count() == 2


@pytest.mark.parametrize("field", ["paused_at", "retired_at"])
def test_what_is_paused_or_retired_starts_nothing(schedule, field):
    schedule(**{field: THREE - DAY})
    assert start_due(THREE) == 0


# --- No longer valid ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "gone"}, "unknown-task-type"),
        ({"params": {"version": "885"}}, "parameter-refused"),
        ({"params": {"colour": "red"}}, "parameter-refused"),
        ({"cron": "0 3 * *"}, "schedule-not-understood"),
        ({"timezone": "Mars/Olympus"}, "schedule-not-understood"),
    ],
    ids=["type", "value", "name", "cron", "zone"],
)
def test_one_that_is_no_longer_valid_says_so_and_holds_up_no_other(
    schedule, fields, code
):
    bad, good = schedule("bad", **fields), schedule("good")
    assert start_due(THREE) == 2
    run = bad.runs.get()
    assert (run.outcome, run.reason["code"]) == ("refused", code)
    assert outcomes(good) == [(THREE, "started", "due")]


# --- Many ---------------------------------------------------------------------------


def test_many_in_one_minute_take_as_many_statements_as_few(schedule):
    def statements(count, prefix):
        for n in range(count):
            schedule(f"{prefix}-{n}")
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert start_due(THREE) == count
        return len(captured)

    statements(1, "warm")
    few, many = statements(3, "few"), statements(60, "many")
    assert many <= few + 2
    assert Task.objects.count() == 64
    assert len(set(Task.objects.values_list("number", flat=True))) == 64


def test_more_than_go_at_once_follow_in_the_order_in_which_they_were_due(schedule):
    for n in range(5):
        schedule(f"s{n}", next_run_at=THREE - n * SECOND)
    assert [start_due(THREE, most=2) for _ in range(4)] == [2, 2, 1, 0]
    names = Task.objects.order_by("number").values_list("created_by", flat=True)
    assert list(names)[:2] == ["schedule:s4", "schedule:s3"]


def test_the_look_for_what_is_due_reads_an_index(schedule):
    schedule()
    plan = Schedule.objects.due(datetime(2026, 1, 1, tzinfo=UTC)).explain()
    if connection.vendor == "sqlite":
        assert "schedule_by_next_run" in plan


def test_the_size_of_a_part_is_what_the_runner_asks_for():
    assert due_module.SCHEDULES_AT_ONCE >= 100


def test_what_is_frozen_is_skipped_and_says_until_when(schedule):
    Freeze.objects.create(
        types=["night*"],
        begins_at=THREE - HOUR,
        ends_at=THREE + HOUR,
        reason="Chinese New Year",
    )
    nightly = schedule()
    start_due(THREE + SECOND)
    assert not Task.objects.exists()
    assert outcomes(nightly) == [(THREE, "skipped", "due")]
    reason = nightly.runs.get().reason
    assert reason["code"] == "schedule-frozen"
    assert reason["params"]["reason"] == "Chinese New Year"


def test_of_a_lock_in_which_the_latest_only_runs_it_takes_the_place_of_older_ones(
    schedule, use_task_types
):
    use_task_types(
        TYPES.replace("title = ", 'lock = "v"\nlock_order = "latest-only"\ntitle = ')
    )
    older = TaskFactory(type="nightly", lock="v")
    schedule()
    start_due(THREE + SECOND)
    older.refresh_from_db()
    assert older.status == "cancelled"
    cancel = AuditEvent.objects.get(action="cancel")
    assert cancel.actor == "schedule:nightly"
    assert cancel.details["supersededBy"] == str(Task.objects.pending().get().pk)
    assert Task.objects.pending().count() == 1
