"""Whether announcements are heard, which PgBouncer may keep from a listener."""

from contextlib import closing

import pytest
from django.db import connection

from tasks.doctor import database
from tasks.doctor.findings import State
from tasks.notifications import connection_of_its_own

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def test_announcements_through_the_database_are_heard():
    (finding,) = database.news()
    is_sqlite = connection.vendor == "sqlite"
    assert finding.state is (State.SKIPPED if is_sqlite else State.OK)


def test_a_listener_that_hears_nothing_is_a_problem(monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no listeners")
    monkeypatch.setattr(database, "NEWS_SECONDS", 0.1)
    # As behind PgBouncer, where it was another session that said LISTEN.
    with closing(connection_of_its_own()) as deaf:
        finding = database.is_heard(deaf)
    assert finding.state is State.PROBLEM
    assert "pool_mode=session" in finding.advice
