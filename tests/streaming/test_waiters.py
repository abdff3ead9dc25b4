"""Requests that are held until a task has more lines."""

import asyncio
import time
import uuid
from types import SimpleNamespace

from streaming.waiters import Waiter
from tests.waiting import PATIENCE_SECONDS

LONG_SECONDS = 10**9


def held(after, every=0):
    waiter = Waiter(uuid.uuid4(), after, every)
    waiter.watched = SimpleNamespace(state=None)
    return waiter


def show(waiter, last_seq, *, is_final=False):
    waiter.watched.state = SimpleNamespace(last_seq=last_seq, is_final=is_final)
    waiter.advance()


def test_the_next_line_ends_the_wait():
    waiter = held(after=5)
    waiter.advance()
    show(waiter, 5)
    assert not waiter.is_over.is_set()
    show(waiter, 6)
    assert waiter.is_over.is_set()


def test_lines_wait_for_the_next_full_second():
    async def wait():
        waiter, second = held(after=5, every=1), int(time.time())
        show(waiter, 6)
        show(waiter, 7)
        await asyncio.wait_for(waiter.is_over.wait(), PATIENCE_SECONDS)
        return int(time.time()) - second

    assert asyncio.run(wait()) >= 1


def test_lines_do_not_end_the_wait_before_the_clock_does():
    async def wait():
        waiter = held(after=5, every=LONG_SECONDS)
        show(waiter, 6)
        await asyncio.sleep(0)
        return waiter.is_over.is_set()

    assert not asyncio.run(wait())


def test_the_end_of_a_task_waits_for_no_clock():
    async def wait():
        waiter = held(after=5, every=LONG_SECONDS)
        show(waiter, 6)
        show(waiter, 6, is_final=True)
        return waiter.is_over.is_set()

    assert asyncio.run(wait())
