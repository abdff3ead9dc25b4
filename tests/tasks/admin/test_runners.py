"""Runners in the admin: who lives, and what they do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Runner, Task
from tests.factories import RunnerFactory, TaskFactory

pytestmark = pytest.mark.django_db

RUNNERS = "/admin/tasks/runner/"
CHINESE = {"Accept-Language": "zh-CN"}


def test_runners_show_where_they_are_and_what_they_run(root):
    runner = RunnerFactory(name="mac-1", version="1.0.0")
    task = TaskFactory(status=Task.Status.RUNNING, runner=runner)
    TaskFactory(status=Task.Status.COMPLETED, runner=runner, version="v900")
    page = root.get(RUNNERS).text
    for text in ("mac-1", "build-mac", "1.0.0", "● active", "just now"):
        assert text in page
    assert f'href="/admin/tasks/task/{task.pk}/change/"' in page
    assert "v900" not in page
    assert "every type" in root.get(f"{RUNNERS}{runner.pk}/change/").text


def test_a_dead_runner_is_shown_as_such(root):
    alive = RunnerFactory()
    long_ago = alive.heartbeat_at - timedelta(minutes=5)
    lost = RunnerFactory(heartbeat_at=long_ago, is_silent=True)
    crashed = RunnerFactory(stopped_at=long_ago, crashed=True)
    stopped = RunnerFactory(stopped_at=long_ago)
    for runner, state, says in (
        (alive, "alive", "● active"),
        (lost, "lost", "✕ lost: no heartbeat"),
        (crashed, "crashed", "✕ lost: crashed"),
        (stopped, "stopped", "⊘ stopped"),
    ):
        assert says in root.get(f"{RUNNERS}{runner.pk}/change/").text
        found = root.get(f"{RUNNERS}?state={state}").context["cl"].result_list
        assert list(found) == [runner]
    assert "5 min ago" in root.get(f"{RUNNERS}?state=lost").text


def test_the_list_asks_no_query_per_runner(root, django_assert_max_num_queries):
    for runner in RunnerFactory.create_batch(20):
        TaskFactory(status=Task.Status.RUNNING, runner=runner)
    with django_assert_max_num_queries(8):
        root.get(RUNNERS)


def test_nobody_adds_edits_or_deletes_a_runner(root):
    runner = RunnerFactory()
    assert root.get(f"{RUNNERS}add/").status_code == 403
    assert root.post(f"{RUNNERS}{runner.pk}/change/", {"name": "x"}).status_code == 403
    assert root.post(f"{RUNNERS}{runner.pk}/delete/").status_code == 403
    assert Runner.objects.get() == runner


def test_in_chinese_a_runner_has_stopped_at_a_time_and_is_stopped(root):
    stopped = RunnerFactory(stopped_at=timezone.now())
    page = root.get(f"{RUNNERS}{stopped.pk}/change/", headers=CHINESE).text
    assert "⊘ 已停止" in page
    assert "停止时间" in page
