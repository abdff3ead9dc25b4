"""How fast requests may follow each other."""

import threading
import time

from resources.stores.bucket import rate_limiter
from resources.stores.bucket.rate_limiter import Pace


def rate_of(it, requests):
    started = time.monotonic()
    for _ in range(requests):
        it.begin()
    return requests / (time.monotonic() - started)


def slowed(times=1):
    it = Pace()
    for _ in range(times):
        begun = it.begin()
        it.slow_down(begun)
    return it


def test_without_a_word_from_the_server_nothing_waits():
    assert rate_of(Pace(), 1000) > 5000


def test_everybody_waits_after_one_was_told_to_slow_down():
    it = slowed()
    told_at = time.monotonic()
    begun = []
    threads = [
        threading.Thread(target=lambda: begun.append(it.begin())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(begun) - told_at > rate_limiter.FIRST_PAUSE / 3


def test_what_was_under_way_already_brings_no_news():
    it = Pace()
    begun = [it.begin() for _ in range(8)]
    for one in begun:
        it.slow_down(one)
    together = Pace()
    together.slow_down(together.begin())
    assert it._pause == together._pause == rate_limiter.FIRST_PAUSE


def test_pauses_grow_while_nothing_succeeds_and_the_rate_stays():
    it = slowed()
    rate = it._rate
    it.slow_down(it.begin())
    it.slow_down(it.begin())
    assert it._pause == 4 * rate_limiter.FIRST_PAUSE
    assert it._rate == rate


def test_it_quickens_by_and_by_until_there_is_no_limit():
    it = slowed()
    rates = [it._rate]
    while it._rate is not None:
        it.succeeded()
        rates.append(it._rate)
    assert rates[:-1] == sorted(rates[:-1])
    assert len(rates) > 1000
    assert rate_of(it, 100) > 1000
