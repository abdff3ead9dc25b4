"""Whether the database answers, as the threads that ask it note it."""

import logging
import time

import pytest
from django.db import OperationalError

from streaming import outages
from streaming.outages import Answers
from tasks.databases.sqlite3.base import DatabaseReplaced

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture
def answers():
    return Answers("The tasks")


@pytest.fixture
def logged(caplog):
    with caplog.at_level(logging.INFO, logger="streaming.outages"):
        yield caplog


def fail_twice(answers, error):
    """By the connection that was there, and by a new one."""
    answers.fail(error)
    answers.fail(error)


def test_an_outage_lasts_until_there_is_an_answer_and_is_logged_once(answers, logged):
    assert answers.outage is None
    fail_twice(answers, OperationalError("refused"))
    first = answers.outage
    for _ in range(3):
        answers.ask()
        answers.fail(OperationalError("refused"))
        assert answers.outage == first
    answers.ask()
    answers.come()
    assert answers.outage is None
    assert [record.levelname for record in logged.records] == ["ERROR", "INFO"]
    fail_twice(answers, OperationalError("refused"))
    assert answers.outage is not None


def test_a_broken_connection_is_no_outage_and_one_lasts_since_it_broke(answers, logged):
    answers.fail(OperationalError("left from a restart"))
    assert answers.outage is None
    answers.ask()
    answers.come()
    assert logged.records == []
    answers.fail(OperationalError("the server stops"))
    broke_at = time.time()
    answers.ask(within=60)
    answers.fail(OperationalError("refused"))
    assert answers.outage.since <= broke_at


def test_an_answer_that_does_not_come_is_an_outage_since_it_was_asked_for(
    answers, monkeypatch
):
    answers.ask()
    assert answers.outage is None
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", -1)
    first = answers.outage
    assert first == answers.outage
    fail_twice(answers, OperationalError("the connection was lost"))
    assert answers.outage == first
    answers.come()
    assert answers.outage is None


def test_waiting_for_news_is_no_outage(answers, monkeypatch):
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", -1)
    answers.ask(within=60)
    assert answers.outage is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationalError("SELECT x"), "The database does not answer."),
        (DatabaseReplaced("/srv/db"), "The database's file was deleted or replaced"),
        (KeyError("/srv"), "The tasks can't be read; the service's log says why."),
    ],
)
def test_why_is_said_without_the_inside(answers, error, reason):
    fail_twice(answers, error)
    event = answers.outage.event.decode()
    assert reason in event
    assert "/srv" not in event
    assert event.startswith('data: {"type":"degraded","since":"20')
