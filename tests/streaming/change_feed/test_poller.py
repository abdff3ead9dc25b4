"""What changes among all tasks is seen once, and told as it is by then."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streaming.change_feed.poller import MOST_TASKS, Poller
from tasks import releases
from tasks.models import Task
from tasks.notifications import EVERYTHING
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


class Told:
    """What a poller said since one looked last."""

    def __init__(self):
        self.events = []

    def __call__(self, changes):
        for data in changes.values():
            self.events.append(json.loads(data.decode().partition("data: ")[2]))

    def take(self):
        events, self.events = self.events, []
        return events

    def statuses(self):
        return [(e["task"]["id"], e["task"]["status"]) for e in self.take()]


@pytest.fixture(autouse=True)
def _no_store(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    releases.reader.cache_clear()
    yield
    releases.reader.cache_clear()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def poller(told):
    """One that has looked around already."""
    poller = Poller(told)
    poller.begin()
    poller.look({EVERYTHING: None})
    told.take()
    return poller


def news_of(*tasks):
    return {str(task.pk): None for task in tasks}


def move(task, **fields):
    Task.objects.filter(pk=task.pk).update(**fields)


def end(task):
    move(task, status="completed", progress=100, completed_at=timezone.now())


def test_whoever_begins_to_listen_is_told_to_look(told):
    TaskFactory(status="running")
    Poller(told).begin()
    assert told.take() == [{"type": "changed", "what": "tasks"}]


# By its id, as it was announced; and where the announcement was lost.
@pytest.fixture(params=["announced", "lost"])
def news(request):
    return news_of if request.param == "announced" else lambda *_: {EVERYTHING: None}


def test_a_task_is_told_of_when_it_comes_moves_and_ends_and_not_again(
    poller, told, news
):
    task = TaskFactory()
    poller.look(news(task))
    move(task, status="running", step_index=1)
    poller.look(news(task))
    move(task, progress=40)
    poller.look(news(task))
    poller.look(news(task))
    shown = [event["task"] for event in told.take()]
    found = [(task["status"], task["progress"]) for task in shown]
    assert found == [("pending", 0), ("running", 0), ("running", 40)]
    end(task)
    poller.look(news(task))
    poller.look(news(task))
    assert told.statuses() == [(str(task.pk), "completed")]


def test_what_came_and_went_between_two_looks_is_told_as_it_ended(poller, told, news):
    task = TaskFactory(status="failed", completed_at=timezone.now())
    poller.look(news(task))
    assert told.statuses() == [(str(task.pk), "failed")]


def test_what_waited_for_long_and_was_over_between_two_looks_is_told_of(told, news):
    hour_ago = timezone.now() - timedelta(hours=1)
    task = TaskFactory(created_at=hour_ago)
    poller = Poller(told)
    poller.begin()
    told.take()
    end(task)
    poller.look(news(task))
    assert told.statuses() == [(str(task.pk), "completed")]


def test_more_lines_alone_are_no_change(poller, told):
    task = TaskFactory(status="running")
    poller.look(news_of(task))
    told.take()
    move(task, last_seq=5)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        poller.look({str(task.pk): 5})
    assert told.take() == []
    assert len(asked) == 0


def test_an_event_has_neither_result_nor_lines(poller, told):
    result = {"success": True, "results": [{"name": "x" * 1000}]}
    task = TaskFactory(status="completed", result=result)
    poller.look(news_of(task))
    (event,) = told.take()
    assert (event["task"]["result"], event["task"]["logs"]) == (None, [])


def test_a_waiting_task_says_what_it_waits_for(poller, told):
    task = TaskFactory()
    poller.look(news_of(task))
    (event,) = told.take()
    assert event["task"]["waitingFor"]["reason"] == "runner"


def test_more_than_can_be_told_is_said_as_look_again(poller, told):
    tasks = TaskFactory.create_batch(MOST_TASKS + 1)
    poller.look(news_of(*tasks))
    assert told.take() == [{"type": "changed", "what": "tasks"}]
    poller.look({EVERYTHING: None})
    assert told.take() == []


def test_a_runner_that_begins_or_ends_is_told_of(poller, told):
    runner = RunnerFactory()
    poller.look({EVERYTHING: None})
    assert told.take() == [{"type": "changed", "what": "runners"}]
    runner.stopped_at = timezone.now()
    runner.save()
    poller.look({EVERYTHING: None})
    assert told.take() == [{"type": "changed", "what": "runners"}]


def test_another_version_that_is_live_is_told_of(poller, told, settings, monkeypatch):
    monkeypatch.setattr(releases, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr("streaming.change_feed.poller.RELEASES_SECONDS", 0.0)
    poller._releases_at = 0.0
    poller.look({})
    assert told.take() == []
    path = settings.DATA_DIR / "resources/store/ios/current.json"
    path.parent.mkdir(parents=True)
    pointer = {
        "format": "release-pointer/1",
        "version": "v885",
        "manifestSha256": "a" * 64,
    }
    path.write_text(json.dumps(pointer))
    poller.look({})
    assert told.take() == [{"type": "changed", "what": "releases"}]


def test_a_deleted_task_is_forgotten(poller, told):
    task = TaskFactory(status="running")
    poller.look(news_of(task))
    told.take()
    task.delete()
    poller.look({EVERYTHING: None})
    poller.look({EVERYTHING: None, str(uuid.uuid4()): None})
    assert told.take() == []


def test_a_look_asks_as_much_with_a_long_queue_as_with_none(poller):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            poller.look({EVERYTHING: None})
        return len(asked)

    few = queries()
    hour_ago = timezone.now() - timedelta(hours=1)
    TaskFactory.create_batch(30, created_at=hour_ago)
    TaskFactory.create_batch(30, created_at=hour_ago, status="completed")
    poller.look({EVERYTHING: None})
    assert queries() == few == 5
