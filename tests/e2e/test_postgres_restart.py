"""A PostgreSQL server of the tests' own, restarted or crashed while clients watch."""

import os

import pytest

from tests.left_out import postgres_programs

from .cluster import Cluster
from .conftest import Service
from .flow import Flow, assert_they_stayed, viewers_of

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cluster():
    if not os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("PostgreSQL: TEST_DATABASE_URL is not set")
    if postgres_programs() is None:
        pytest.skip("PostgreSQL's server programs are not there")
    cluster = Cluster()
    yield cluster
    cluster.remove()


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
        crash(cluster)
    assert_they_stayed(viewers)
    assert is_said_by_the_runner(product, "lost lines") > before, "none was lost"
