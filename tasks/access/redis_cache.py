"""Redis as Django's cache, which is left alone for a while after it was silent.

Rate limits ask it in every request. A Redis whose host is cut off refuses nothing: each
request would wait for it, and with twelve at work the whole API would (measured without
this: 5 s a request).
"""

import time
from typing import Any

import redis
from django.core.cache.backends import redis as django_redis

ANSWER_SECONDS = 2.0  # for the connection, and for an answer
PAUSE_SECONDS = 10.0


class Redis(redis.Redis):
    """Redis of one process: raises ConnectionError at once while it is left alone."""

    asked_again_at = 0.0  # of this process, by its own clock

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < Redis.asked_again_at:
            raise redis.ConnectionError("Redis was silent a moment ago.")
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except redis.TimeoutError:
            Redis.asked_again_at = time.monotonic() + PAUSE_SECONDS
            raise


class Client(django_redis.RedisCacheClient):
    def __init__(self, servers: Any, **options: Any) -> None:
        times = dict.fromkeys(
            ("socket_connect_timeout", "socket_timeout"), ANSWER_SECONDS
        )
        super().__init__(servers, **{**times, **options})
        self._client = Redis


class Cache(django_redis.RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client
