"""Which task comes next, and whose it is."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tasks.lifecycle import Actor, submit
from tasks.models import Runner, Task
from tasks.runner.claim import claim, free_places
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice")


def test_the_oldest_waiting_task_comes_first():
    first = submit("check-integrity", {"version": "v1"}, ALICE)
    submit("check-integrity", {"version": "v2"}, ALICE)
    runner = RunnerFactory()
    claimed = claim(runner)
    assert claimed == first
    assert (claimed.type, claimed.params) == (first.type, {"version": "v1"})
    first.refresh_from_db()
    assert (first.status, first.runner) == ("running", runner)
    assert (first.step_index, first.step_name) == (1, "iOS manifest")
    assert first.trail == [[0, 1, "iOS manifest", 0, None]]
    assert abs(timezone.now() - first.started_at) < timedelta(minutes=1)


def test_a_task_whose_type_is_not_in_the_file_any_more_is_claimed_too():
    task = TaskFactory(type="gone", status="pending")
    assert claim(RunnerFactory()) == task
    task.refresh_from_db()
    assert (task.status, task.step_name, task.trail) == (
        "running",
        "",
        [[0, 1, "", 0, None]],
    )


def test_a_task_that_came_back_goes_on_behind_what_is_stored_of_it():
    before = [[0, 1, "iOS manifest", 0], [3, 2, "Android manifest", 33]]
    task = submit("check-integrity", {"version": "v1"}, ALICE)
    Task.objects.filter(pk=task.pk).update(
        attempt=2, last_seq=5, progress=40, trail=before
    )
    claimed = claim(RunnerFactory())
    task.refresh_from_db()
    assert (claimed.last_seq, claimed.progress, claimed.attempt) == (5, 40, 2)
    assert claimed.trail == task.trail == [*before, [5, 1, "iOS manifest", 40, None]]
    assert (task.status, task.progress, task.step_index) == ("running", 40, 1)


def test_an_empty_queue_gives_nothing():
    TaskFactory(status="completed")
    assert claim(RunnerFactory()) is None


def test_a_task_waits_for_the_lock_that_another_holds():
    first = submit("full-sync", {"version": "v1"}, ALICE)
    second = submit("sync-facebook", {"version": "v2"}, ALICE)
    third = submit("check-integrity", {"version": "v1"}, ALICE)
    runner = RunnerFactory()
    assert claim(runner) == first
    assert claim(runner) == third
    assert claim(runner) is None
    Task.objects.move(first.pk, "running", "completed", completed_at=first.created_at)
    assert claim(runner) == second


def test_a_runner_takes_only_the_types_it_is_for():
    submit("full-sync", {"version": "v1"}, ALICE)
    wanted = submit("update-reuse", {"version": "v1"}, ALICE)
    assert claim(RunnerFactory(types=["update-reuse"])) == wanted


def claimed_by_four_runners(work):
    """What four threads, each with a runner of its own, claimed."""
    claimed, failures = [], []

    def thread(runner):
        try:
            claimed.extend(work(runner))
        except Exception as failure:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(failure)
        finally:
            connection.close()

    runners = [RunnerFactory() for _ in range(4)]
    threads = [threading.Thread(target=thread, args=(runner,)) for runner in runners]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    return claimed


@pytest.mark.django_db(transaction=True)
def test_many_runners_never_claim_one_task_twice():
    tasks = {submit("check-integrity", {"version": f"v{n}"}, ALICE) for n in range(24)}

    def until_nothing_is_left(runner):
        return list(iter(lambda: claim(runner), None))

    claimed = claimed_by_four_runners(until_nothing_is_left)
    assert len(claimed) == 24
    assert set(claimed) == tasks


@pytest.mark.django_db(transaction=True)
def test_many_runners_never_hold_one_lock_together():
    for n in range(8):
        submit("full-sync", {"version": f"v{n}"}, ALICE)
    claimed = claimed_by_four_runners(lambda runner: [claim(runner)])
    assert len([task for task in claimed if task]) == 1
    assert Task.objects.running().count() == 1


SMALL = re.compile("task_pending|task_running|task_one_running")  # few rows
LIMITED = """
[narrow]
max_running = 2
[[narrow.steps]]
command = ["true"]

[wide]
[[wide.steps]]
command = ["true"]
"""


def end(task):
    Task.objects.move(task.pk, "running", "completed", completed_at=task.created_at)


def test_of_a_type_with_a_limit_no_more_run_than_may_and_others_pass(use_task_types):
    use_task_types(LIMITED)
    narrow = [submit("narrow", {}, ALICE) for _ in range(3)]
    wide = submit("wide", {}, ALICE)
    runner = RunnerFactory()
    assert [claim(runner) for _ in range(4)] == [*narrow[:2], wide, None]
    places = dict(Task.objects.values_list("pk", "slot"))
    assert [places[task.pk] for task in (*narrow, wide)] == [0, 1, None, None]
    end(narrow[0])
    assert claim(runner) == narrow[2]
    assert Task.objects.get(pk=narrow[2].pk).slot == 0


def test_a_task_that_began_before_there_was_a_limit_counts_too(use_task_types):
    use_task_types(LIMITED)
    TaskFactory(type="narrow", status="running", slot=None)
    TaskFactory(type="narrow", status="running", slot=7)
    submit("narrow", {}, ALICE)
    assert claim(RunnerFactory()) is None


@pytest.mark.parametrize(("types", "queries"), [(["wide"], 0), (["narrow"], 1)])
def test_only_who_serves_a_type_with_a_limit_asks_for_places(
    use_task_types, django_assert_num_queries, types, queries
):
    use_task_types(LIMITED)
    with django_assert_num_queries(queries):
        free_places(types)


@pytest.mark.django_db(transaction=True)
def test_many_runners_never_exceed_a_limit_together(use_task_types):
    use_task_types(LIMITED)
    tasks = {submit("narrow", {}, ALICE) for _ in range(24)}
    most = []

    def until_nothing_is_left(runner):
        mine = []
        while Task.objects.pending().exists():
            if task := claim(runner):
                mine.append(task)
                most.append(Task.objects.running().count())
                end(Task.objects.get(pk=task.pk))
        return mine

    claimed = claimed_by_four_runners(until_nothing_is_left)
    assert len(claimed) == 24
    assert set(claimed) == tasks
    assert max(most) <= 2


@pytest.mark.django_db(transaction=True)
def test_many_runners_share_the_places_that_there_are(use_task_types):
    use_task_types(LIMITED)
    for _ in range(8):
        submit("narrow", {}, ALICE)
    claimed = claimed_by_four_runners(lambda runner: [claim(runner), claim(runner)])
    assert len([task for task in claimed if task]) == 2
    assert set(Task.objects.running().values_list("slot", flat=True)) == {0, 1}


def plans_of(work):
    """The database's plan for each statement that some work sends."""
    sent = []

    def note(execute, sql, params, many, context):
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        work()
    is_postgresql = connection.vendor == "postgresql"
    explain = "EXPLAIN " if is_postgresql else "EXPLAIN QUERY PLAN "
    plans = []
    with connection.cursor() as cursor:
        for sql, params in sent:
            if sql.lstrip().startswith(("SELECT", "WITH", "UPDATE")):
                cursor.execute(explain + sql, params)
                rows = cursor.fetchall()
                plans.append("\n".join(str(row[-1]) for row in rows))
    return plans


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_claim_reads_the_small_indexes_however_long_the_history(
    use_task_types, is_limited
):
    use_task_types(LIMITED if is_limited else LIMITED.replace("max_running = 2", ""))
    old = [TaskFactory.build(type="narrow", status="completed") for _ in range(3000)]
    Task.objects.bulk_create(old)
    for _ in range(3):
        submit("narrow", {}, ALICE)
    submit("wide", {}, ALICE)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tasks_task")
    runner = RunnerFactory()
    claims = [plans_of(lambda: claim(runner)) for _ in range(4)]
    assert Task.objects.running().count() == 3 if is_limited else 4
    for plans in claims:
        assert any("task_pending" in plan for plan in plans), plans
        for line in "\n".join(plans).splitlines():
            assert "Seq Scan on tasks_task " not in line, plans
            assert "SCAN tasks_task " not in f"{line} " or SMALL.search(line), plans
    if is_limited:
        assert all(SMALL.search(plans[0]) for plans in claims), claims


@pytest.mark.parametrize("hours", [-1, 1])
def test_whether_a_runner_is_alive_depends_on_no_clock(hours):
    alive = RunnerFactory(heartbeat_at=timezone.now() + timedelta(hours=hours))
    RunnerFactory(stopped_at=alive.heartbeat_at)
    RunnerFactory(is_silent=True)
    assert list(Runner.objects.alive()) == [alive]


def test_the_queue_goes_by_arrival_though_the_clock_was_ahead_at_first():
    runner = RunnerFactory()
    hours = (5, 4, 0, -1, 1)
    waiting = [
        TaskFactory(created_at=timezone.now() + timedelta(hours=hour)) for hour in hours
    ]
    assert [claim(runner) for _ in hours] == waiting


def test_a_task_knows_its_number_once_it_is_made():
    first, second = TaskFactory(), TaskFactory()
    assert 0 < first.number < second.number
    assert list(Task.objects.order_by("number")) == [first, second]
    second.save()
    second.refresh_from_db()
    assert second.number > first.number
