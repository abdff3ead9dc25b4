"""Streams end when what opened them is good no more."""

import asyncio
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from streaming import revalidation
from streaming.revalidation import Revalidation
from tasks.access.credentials import BOOTSTRAP, Credential
from tasks.models import ApiKey
from tests.factories import ApiKeyFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


class Stream:
    """An open one; it tells when it is dismissed."""

    def __init__(self):
        self.is_dismissed = asyncio.Event()

    def dismiss(self):
        self.is_dismissed.set()


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(revalidation, "ASK_SECONDS", 0.02)


@pytest.fixture
def asked(monkeypatch):
    """How many credentials were asked about at a time; it may be made to fail."""
    really = revalidation.ended_among

    class Asked(list):
        failure = None

        def __call__(self, credentials):
            self.append(len(credentials))
            if self.failure:
                raise self.failure
            return really(credentials)

    asked = Asked()
    monkeypatch.setattr(revalidation, "ended_among", asked)
    return asked


@contextmanager
def opened(room, *credentials):
    streams = {credential: Stream() for credential in credentials}
    for credential, stream in streams.items():
        room.add(credential, stream)
    try:
        yield list(streams.values())
    finally:
        for credential, stream in streams.items():
            room.remove(credential, stream)


def revoke(key_id):
    """In a thread, whose connection would outlive the test's database."""
    ApiKey.objects.filter(pk=key_id).update(revoked_at=timezone.now())
    connection.close()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.005)


async def until_idle(room):
    """Until nobody asks any more, as is so when no stream is open."""
    await until(lambda: not room._is_due)


def test_a_revoked_key_closes_all_of_its_streams_and_no_other(asked):
    mine, other = (Credential(ApiKeyFactory().pk, "10.0.0.1") for _ in range(2))

    async def scenario():
        room = Revalidation(asyncio.get_running_loop())
        more = Stream()
        with opened(room, mine, other, BOOTSTRAP) as (one, two, three):
            room.add(mine, more)
            await until(lambda: len(asked) > 1)
            assert not one.is_dismissed.is_set()
            await asyncio.to_thread(revoke, mine.key_id)
            await one.is_dismissed.wait()
            await more.is_dismissed.wait()
            room.remove(mine, more)
            assert not two.is_dismissed.is_set()
            assert not three.is_dismissed.is_set()
        await until_idle(room)

    asyncio.run(scenario())


@pytest.mark.parametrize("failure", [OperationalError("away"), RuntimeError("a bug")])
def test_while_the_database_is_away_nobody_is_cut_off_and_then_it_goes_on(
    asked, failure
):
    ApiKeyFactory(revoked_at=timezone.now())
    revoked = Credential(ApiKey.objects.get().pk, "10.0.0.1")

    async def scenario():
        room = Revalidation(asyncio.get_running_loop())
        asked.failure = failure
        with opened(room, revoked) as (stream,):
            await until(lambda: len(asked) > 3)
            assert not stream.is_dismissed.is_set()
            asked.failure = None
            await stream.is_dismissed.wait()
        await until_idle(room)

    asyncio.run(scenario())


def test_many_are_asked_about_in_small_batches(asked, monkeypatch):
    monkeypatch.setattr(revalidation, "ASKED_AT_ONCE", 2)
    key = ApiKeyFactory(networks="10.0.0.0/29")
    credentials = [Credential(key.pk, f"10.0.0.{number}") for number in range(10)]

    async def scenario():
        room = Revalidation(asyncio.get_running_loop())
        with opened(room, *credentials) as streams:
            await until(lambda: streams[9].is_dismissed.is_set())
            dismissed = [stream.is_dismissed.is_set() for stream in streams]
            assert dismissed == [False] * 8 + [True] * 2
        await until_idle(room)

    asyncio.run(scenario())
    assert max(asked) == 2


def test_while_nobody_watches_nothing_is_asked(asked):
    key = Credential(ApiKeyFactory().pk, "10.0.0.1")

    async def scenario():
        room = Revalidation(asyncio.get_running_loop())
        with opened(room, key):
            await until(lambda: asked)
        await until_idle(room)
        count = len(asked)
        with opened(room, key):
            await until(lambda: len(asked) > count)
        await until_idle(room)

    asyncio.run(scenario())
