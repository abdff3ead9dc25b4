"""A PostgreSQL server of the tests' own, restarted or crashed while clients watch."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from tests.waiting import wait_until

from .cluster import Cluster
from .conftest import Service
from .flow import (
    ENOUGH_LINES,
    Flow,
    assert_they_stayed,
    viewers_of,
    wait_for_lines,
)

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


@pytest.fixture(scope="module")
def product(cluster, tmp_path_factory):
    product = Service(
        tmp_path_factory.mktemp("restarts"),
        cluster.url,
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
    )
    product.manage("migrate", "-v0")
    yield product.run()
    product.stop()


def test_viewers_stay_and_miss_nothing_while_postgresql_restarts(cluster, product):
    with viewers_of(Flow(product)) as viewers:
        cluster.restart("fast")
    assert_they_stayed(viewers)


def test_no_request_is_refused_for_a_connection_from_before_a_restart(cluster, product):
    with ThreadPoolExecutor(8) as readers:

        def statuses():
            answers = readers.map(
                lambda _: product.request("GET", "/api/tasks").status_code, range(32)
            )
            return set(answers)

        assert statuses() == {200}
        cluster.restart("fast")
        assert statuses() == {200}


def is_said_by_the_runner(product, text):
    return (product.data_dir / "runner.out").read_text().count(text)


@pytest.mark.parametrize(
    "crash",
    [lambda cluster: cluster.restart("immediate"), Cluster.kill_a_backend],
    ids=["the server", "a backend of it"],
)
def test_lines_that_a_crash_of_postgresql_takes_back_come_under_the_same_numbers(
    cluster, product, crash
):
    before = is_said_by_the_runner(product, "lost lines")
    with viewers_of(Flow(product)) as viewers:

        def takes_lines_back():
            crash(cluster)
            wait_for_lines(viewers, max(one.last for one in viewers) + ENOUGH_LINES)
            return is_said_by_the_runner(product, "lost lines") > before

        # A crash right after a commit that waited for the disk takes nothing back.
        wait_until(takes_lines_back, "a crash to take lines back")
    assert_they_stayed(viewers)


def test_a_runner_that_is_started_before_its_database_waits_for_it(cluster, product):
    output = product.data_dir / "early.out"
    cluster.stop()
    try:
        early = product.start("early", "--name", "early")
        wait_until(lambda: "Waiting for the database" in output.read_text(), "a word")
    finally:
        cluster.start()
    wait_until(lambda: "The database answers." in output.read_text(), "it to see it")
    with closing(psycopg.connect(cluster.url, autocommit=True)) as database:
        query = "SELECT pid FROM tasks_runner WHERE name = 'early'"
        wait_until(lambda: database.execute(query).fetchall() == [(early.pid,)], "it")
    product.stop_one("early")
    assert "Traceback" not in output.read_text()
    assert output.read_text().count("Waiting") == 1
