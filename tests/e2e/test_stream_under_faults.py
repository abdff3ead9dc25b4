"""What breaks while clients watch: they come back or stay, and miss nothing."""

import sqlite3
import time
from contextlib import closing, contextmanager

import psutil
import psycopg
import pytest

from tests.waiting import wait_until

from .conftest import Service
from .flow import ENOUGH_LINES, Flow, assert_they_stayed, viewers_of, wait_for_lines
from .viewers import Viewer, assert_exact, watching

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]
LOCKED_SECONDS = 10


@pytest.fixture(scope="module")
def shared_product(tmp_path_factory, new_database_url):
    product = Service(
        tmp_path_factory.mktemp("faults"),
        new_database_url(),
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
    )
    yield product
    product.stop()


@pytest.fixture
def product(shared_product):
    """A running product that the tests here share; each leaves it mended."""
    for name in {"web", "runner"} - shared_product.processes.keys():
        shared_product.start(name)
    shared_product.wait_healthy()
    return shared_product


def test_viewers_return_by_themselves_to_a_web_server_that_was_killed(product):
    with viewers_of(Flow(product)) as viewers:
        product.kill("web")
        product.start("web")
    assert {viewer.connections for viewer in viewers} == {2}


def test_what_a_killed_runner_has_stored_stays_and_its_viewers_get_the_end(product):
    half, flow = product.create("half-line"), Flow(product)
    viewers = [Viewer(product, task) for task in (half, flow.task_id) for _ in "abc"]
    with watching(*viewers):
        wait_for_lines(viewers[3:], ENOUGH_LINES)
        wait_for_lines(viewers[:3], 4)  # half a line too: it may be a question
        product.kill("runner")
        product.start("runner")
    assert_they_stayed(viewers)
    stored = assert_exact(product, half, *viewers[:3])
    assert [line["message"] for line in stored[1:4]] == ["one", "two", "half a li"]
    error = product.task(half)["error"]
    assert error.endswith("4 lines were kept.")
    assert [line["message"] for line in stored[4:]] == [error]
    stored = assert_exact(product, flow.task_id, *viewers[3:])
    numbers = [int(line["message"].split()[0]) for line in stored[1:-1]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {viewer.end["status"] for viewer in viewers} == {"failed"}


# --- The database is not there for a while ------------------------------------------


def database_of(product):
    """A connection of somebody else's to the product's database."""
    if url := product.env["DATABASE_URL"]:
        return psycopg.connect(url, autocommit=True)
    return sqlite3.connect(product.data_dir / "db.sqlite3", isolation_level=None)


def needs(product, engine):
    found = "PostgreSQL" if product.env["DATABASE_URL"] else "SQLite"
    if found != engine:
        pytest.skip(f"this is {engine}'s own")


def test_another_writer_that_locks_sqlite_for_ten_seconds_costs_no_line(product):
    needs(product, "SQLite")
    flow = Flow(product)
    with viewers_of(flow) as viewers, closing(database_of(product)) as other:
        other.execute("BEGIN IMMEDIATE")
        stored = product.task(flow.task_id)["logCount"]
        time.sleep(LOCKED_SECONDS)
        assert product.task(flow.task_id)["logCount"] == stored
        other.execute("ROLLBACK")
    assert_they_stayed(viewers)


LISTENERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN %'
"""


def test_listeners_whose_connections_are_cut_come_back_and_miss_nothing(product):
    needs(product, "PostgreSQL")
    with viewers_of(Flow(product)) as viewers, database_of(product) as other:
        cut = {pid for (pid,) in other.execute(LISTENERS)}
        assert len(cut) == 2, "the web server listens, and so does the runner"
        for pid in cut:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])

        def are_back():
            back = {pid for (pid,) in other.execute(LISTENERS)}
            return len(back) == 2 and not back & cut

        wait_until(are_back, "both to listen again")
    assert_they_stayed(viewers)


# --- Lines can't be stored ----------------------------------------------------------

FILE_LIMIT_BYTES = 200_000  # SQLite soon needs more; the files of logging do not
FULL_DISK = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'No space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON tasks_logline
    FOR EACH ROW EXECUTE FUNCTION full_disk()
"""


@contextmanager
def full_disk(product):
    """Nothing can be stored that makes the database larger."""
    if product.env["DATABASE_URL"]:
        with database_of(product) as database:
            database.execute(FULL_DISK)
            try:
                yield
            finally:
                database.execute("DROP FUNCTION full_disk CASCADE")
        return
    if not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("only Linux limits another process's files")
    runner = psutil.Process(product.processes["runner"].pid)
    before = runner.rlimit(psutil.RLIMIT_FSIZE)
    runner.rlimit(psutil.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        runner.rlimit(psutil.RLIMIT_FSIZE, before)


@contextmanager
def read_only(product):
    """Nothing can be stored at all, as on a server that became a standby."""
    needs(product, "PostgreSQL")
    name = product.env["DATABASE_URL"].rpartition("/")[2]
    with database_of(product) as database:
        cut_all = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
        database.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only TO on'
        )
        database.execute(cut_all)

        def is_refused():
            return "ReadOnlySqlTransaction" in (
                product.data_dir / "runner.out"
            ).read_text("utf-8", "replace")

        try:
            yield
            wait_until(is_refused, "the runner's heartbeat to be refused")
        finally:
            database.execute(
                f'ALTER DATABASE "{name}" RESET default_transaction_read_only'
            )
            database.execute(cut_all)


@contextmanager
def stopped(product):
    """The runner stands still, as a laptop that sleeps."""
    runner = psutil.Process(product.processes["runner"].pid)
    runner.suspend()
    try:
        yield
    finally:
        runner.resume()


def assert_no_line_is_torn(flow):
    """Each line of a flow is its number and the same words."""
    lines = [line.partition(" ") for line in flow.product.messages(flow.task_id)]
    lines = [line for line in lines if line[0].isdecimal()]
    assert [int(number) for number, _, _ in lines] == [*range(1, len(lines) + 1)]
    assert len({words for _, _, words in lines}) == 1


@pytest.mark.parametrize("fault", [full_disk, read_only, stopped])
def test_while_lines_cannot_be_stored_the_program_waits_and_then_all_arrive(
    product, fault
):
    flow = Flow(product, burst="10", pause="0", width="500")
    with viewers_of(flow) as viewers, fault(product):
        flow.wait_until_held_up()
        task = product.wait_for(flow.task_id, "running")
        assert flow.printed > task["logCount"], "nothing waits: it was stored"
    assert_they_stayed(viewers)
    assert_no_line_is_torn(flow)
