"""A Redis that takes connections and never says a word."""

import pytest
import redis

from tasks.access import redis_cache
from tasks.access.redis_cache import Cache, Redis
from tests.e2e.black_hole import black_hole


@pytest.fixture
def silent(monkeypatch):
    """A cache on such a server."""
    monkeypatch.setattr(redis_cache, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(Redis, "asked_again_at", 0.0)
    with black_hole() as port:
        yield Cache(f"redis://127.0.0.1:{port}", {})


def test_redis_is_left_alone_after_it_was_silent(silent):
    with pytest.raises(redis.TimeoutError):
        silent.get("anything")
    # At once: what waits for an answer ends with TimeoutError.
    with pytest.raises(redis.ConnectionError, match="silent a moment ago"):
        silent.add("anything", 1)


def test_redis_is_asked_again_after_a_while(silent, monkeypatch):
    monkeypatch.setattr(redis_cache, "PAUSE_SECONDS", 0.0)
    for _ in range(2):
        with pytest.raises(redis.TimeoutError):
            silent.get("anything")


def test_a_redis_that_refuses_is_asked_each_time(monkeypatch):
    monkeypatch.setattr(Redis, "asked_again_at", 0.0)
    cache = Cache("redis://127.0.0.1:9", {})
    for _ in range(2):
        with pytest.raises(redis.ConnectionError, match="refused"):
            cache.get("anything")
