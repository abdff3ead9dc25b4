"""The pool of connections to a server that is not there, has no more to give, or has
hung up."""

import os

import psycopg
import pytest
from django.db import connection
from psycopg_pool import PoolTimeout

from tasks.databases.postgresql.base import ConnectionPool, watch_the_client
from tasks.notifications import connection_of_its_own

pytestmark = pytest.mark.postgres


@pytest.fixture
def postgresql():
    """The server's URL."""
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        pytest.skip("PostgreSQL: TEST_DATABASE_URL is not set")
    return url


def pool_of(url, **options):
    return ConnectionPool(
        url, min_size=1, open=False, kwargs={"autocommit": True}, **options
    )


def test_nobody_waits_for_a_server_that_is_not_there():
    address = "postgres://x@127.0.0.1:9/x"
    with pool_of(address, timeout=60, reconnect_timeout=1) as pool:
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError, match="could be opened"):
                pool.getconn()


def test_who_waits_for_a_connection_that_is_in_use_goes_on_waiting(postgresql):
    with pool_of(postgresql, timeout=0.1, max_size=1) as pool:
        used = pool.getconn()
        pool.reconnect_failed()
        with pytest.raises(PoolTimeout):
            pool.getconn()
        pool.putconn(used)


def test_no_connection_is_given_on_which_the_server_has_hung_up(postgresql):
    with pool_of(postgresql, timeout=10, max_size=5) as pool:
        dead = [pool.getconn() for _ in range(5)]
        numbers = [connection.info.backend_pid for connection in dead]
        for connection in dead:
            pool.putconn(connection)
        with psycopg.connect(postgresql, autocommit=True) as other:
            for number in numbers:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [number])
        fresh = [pool.getconn() for _ in range(5)]
        assert [one.execute("SELECT 1").fetchone() for one in fresh] == [(1,)] * 5
        for connection in fresh:
            pool.putconn(connection)


LIMITS = "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp%' ORDER BY name"
WATCHED = [
    ("tcp_keepalives_count", "5"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_user_timeout", "15000"),
]


@pytest.mark.django_db
def test_the_server_notices_when_a_client_is_gone(postgresql):
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
        assert cursor.fetchall() == WATCHED
    with connection_of_its_own() as own:
        assert own.execute(LIMITS).fetchall() == WATCHED


def test_what_a_url_says_of_that_wins(postgresql):
    options = "-c tcp_keepalives_idle=77"
    with psycopg.connect(postgresql, options=options) as own:
        watch_the_client(own)
        assert ("tcp_keepalives_idle", "77") in own.execute(LIMITS).fetchall()
