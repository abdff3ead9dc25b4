"""Pieces of work in helper processes."""

import os
import signal
import time

import pytest

from resources.errors import ConflictError, StoreError
from resources.workers import pool
from resources.workers.pool import Beside, Workers

# Python 3.12 warns of forks beside threads, which a parallel test run has.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def test_results_come_in_the_order_of_the_pieces():
    def work(piece):
        time.sleep(0.002 * (piece % 5))
        return piece * 10

    with Workers(work, 4) as workers:
        results = list(workers.map(iter(range(300))))
    assert results == [number * 10 for number in range(300)]


def test_large_pieces_and_results_do_not_block_each_other():
    with Workers(lambda piece: piece * 2, 3) as workers:
        results = list(workers.map(b"x" * 1_000_000 for _ in range(30)))
    assert [len(result) for result in results] == [2_000_000] * 30


def test_a_helpers_error_reaches_the_command():
    def work(piece):
        if piece == 7:
            raise ConflictError("seven")
        return piece

    with pytest.raises(ConflictError, match="seven"), Workers(work, 2) as workers:
        list(workers.map(range(20)))


def test_a_helper_that_dies_is_a_failure_and_not_an_end():
    def work(piece):
        if piece == 7:
            os._exit(0)
        return piece

    with pytest.raises(StoreError, match="helper"), Workers(work, 2) as workers:
        list(workers.map(range(20)))


def test_one_piece_needs_no_helper():
    with Workers(lambda piece: os.getpid(), 2) as workers:
        assert list(workers.map([1])) == [os.getpid()]


def test_work_beside_the_command_is_done_by_another_process():
    with Beside(os.getpid) as beside:
        assert beside.result() != os.getpid()


def test_work_beside_the_command_is_done_by_it_where_nothing_may_be_forked(monkeypatch):
    monkeypatch.setattr(pool, "_may_fork", False)
    with Beside(os.getpid) as beside:
        assert beside.result() == os.getpid()


@pytest.mark.parametrize(
    "error", [ConflictError("seven"), PermissionError(13, "Permission denied", "img")]
)
def test_an_error_beside_the_command_comes_with_the_result(error):
    def work():
        raise error

    with Beside(work) as beside, pytest.raises(type(error)) as found:
        beside.result()
    assert str(found.value) == str(error)


def test_a_helper_that_dies_beside_the_command_is_a_failure():
    def work():
        os.kill(os.getpid(), signal.SIGKILL)

    with Beside(work) as beside, pytest.raises(StoreError, match="helper"):
        beside.result()


def test_nobody_waits_for_work_whose_result_is_not_asked_for():
    started = time.monotonic()
    with Beside(lambda: time.sleep(600)) as beside:
        helper = beside._helper.pid
    assert time.monotonic() - started < 60
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)
