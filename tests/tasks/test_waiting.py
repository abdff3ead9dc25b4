"""What waiting tasks wait for: the reason, the place, the task that is in the way."""

from datetime import timedelta

import pytest

from tasks.models import Task
from tasks.waiting import waiting_for, waiting_for_all
from tests.factories import NOON, RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TYPES = """
[free]
[[free.steps]]
command = ["true"]

[narrow]
max_running = 2
[[narrow.steps]]
command = ["true"]
"""


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


def in_line(number, **more):
    """A task that came as the so-many-th."""
    more.setdefault("type", "free")
    return TaskFactory(created_at=NOON + timedelta(seconds=number), **more)


def seen(task):
    found = waiting_for(task)
    return found.reason, found.position, found.task_id


def test_what_does_not_wait_waits_for_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert waiting_for(Task(status="running")) is None
        assert waiting_for_all([Task(status="completed")]) == {}


def test_without_a_runner_it_waits_for_one():
    RunnerFactory(is_silent=True)
    task = in_line(1)
    assert seen(task) == ("runner", 1, None)
    assert waiting_for(task).message == "Waiting: no runner is active."


def test_a_runner_of_other_types_does_not_count():
    RunnerFactory(types=["narrow"])
    task = in_line(1, lock="v1")
    in_line(0, lock="v1", status="running")
    assert seen(task) == ("runner", 1, None)
    assert "accepts this type" in waiting_for(task).message
    RunnerFactory(types=["free"])
    assert seen(task)[0] == "lock"


def test_a_type_with_labels_waits_for_a_runner_that_has_them_all(use_task_types):
    use_task_types(
        '[build]\nlabels = ["mac", "gpu"]\n[[build.steps]]\ncommand = ["true"]\n'
    )
    RunnerFactory(labels=["mac"], known_types=[])
    RunnerFactory(labels=None, known_types=["other"])
    task = TaskFactory(type="build")
    waiting = waiting_for(task)
    assert (waiting.reason, waiting.labels) == ("runner", ("mac", "gpu"))
    assert waiting.message == "Waiting: no active runner has these labels: mac, gpu."
    fitting = RunnerFactory(labels=["gpu", "mac"], known_types=["other"])
    assert "accepts this type" in waiting_for(task).message
    fitting.known_types = ["build"]
    fitting.save(update_fields=["known_types"])
    assert waiting_for(task).reason == "turn"


def test_it_waits_for_whoever_holds_its_lock():
    RunnerFactory(concurrency=9)
    in_line(1, lock="v1")
    holder = in_line(9, lock="v1", status="running")
    in_line(0, lock="v2", status="running")
    task = in_line(2, lock="v1")
    assert seen(task) == ("lock", 2, holder.pk)
    assert waiting_for(task).message == "Waiting for free v885 to finish."


def test_it_waits_for_the_oldest_that_waits_for_the_same_lock():
    RunnerFactory(concurrency=9)
    in_line(0, lock="v2")
    oldest = in_line(1, lock="v1")
    in_line(2, lock="v1")
    third = in_line(3, lock="v1")
    in_line(-1, lock="v1", status="completed")
    assert seen(third) == ("lock", 4, oldest.pk)
    assert seen(oldest) == ("turn", 2, None)


def test_where_as_many_of_its_type_run_as_may_it_waits_for_one_to_end():
    RunnerFactory(concurrency=9)
    in_line(0, type="narrow", status="running")
    task = in_line(3, type="narrow")
    assert seen(task) == ("turn", 1, None)
    in_line(1, type="narrow", status="running")
    assert seen(task) == ("limit", 1, None)
    assert waiting_for(task).message == (
        "Waiting: at most 2 tasks of this type run at a time."
    )


def test_all_that_is_left_is_its_turn():
    RunnerFactory(concurrency=1)
    task = in_line(1)
    assert waiting_for(task).message == "Starting in a moment."
    in_line(0, status="running")
    assert seen(task) == ("turn", 1, None)
    assert waiting_for(task).message == "Waiting: all runners are busy."


def test_a_type_that_is_not_in_the_file_any_more_has_no_limit():
    RunnerFactory()
    assert seen(in_line(1, type="gone")) == ("turn", 1, None)


def test_the_first_is_next_and_one_moment_has_an_order():
    RunnerFactory()
    for _ in range(3):
        in_line(1)
    in_line(0)  # by a clock that was set back
    in_line(2)
    by_turn = list(Task.objects.order_by("number"))
    places = [waiting_for(task).position for task in by_turn]
    assert places == [1, 2, 3, 4, 5]
    chosen = [by_turn[1], by_turn[4], by_turn[3]]
    found = waiting_for_all(chosen)
    assert [found[task.pk].position for task in chosen] == [2, 5, 4]


def test_many_cost_no_more_than_one(django_assert_num_queries):
    RunnerFactory()
    tasks = [in_line(n, lock=f"v{n % 3}", type="narrow") for n in range(12)]
    for count in (1, 12):
        with django_assert_num_queries(6):
            assert len(waiting_for_all(tasks[:count])) == count


def test_one_that_started_meanwhile_is_told_something_all_the_same():
    RunnerFactory()
    task = in_line(1)
    Task.objects.filter(pk=task.pk).update(status="running")
    assert seen(task) == ("turn", 1, None)
