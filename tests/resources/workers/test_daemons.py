"""Many questions to a server at once."""

import threading

import pytest

from resources.errors import StoreError
from resources.workers.daemons import THREADS, ask_for_all


def test_the_answers_come_in_the_order_of_the_questions():
    assert ask_for_all(lambda n: n * n, list(range(50))) == [n * n for n in range(50)]
    assert ask_for_all(str, []) == []


def test_several_are_asked_at_once_by_threads_that_no_process_waits_for():
    together = threading.Barrier(THREADS, timeout=30)

    def ask(_):
        together.wait()
        return threading.current_thread().daemon

    assert ask_for_all(ask, list(range(THREADS))) == [True] * THREADS


def test_a_failure_ends_it():
    asked = []

    def ask(number):
        asked.append(number)
        raise StoreError(f"no {number}")

    with pytest.raises(StoreError, match="no "):
        ask_for_all(ask, list(range(1000)))
    assert len(asked) <= THREADS
