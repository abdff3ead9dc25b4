"""How often somebody may ask: per key, per user, and per address for strangers."""

import logging
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # the framework imports this module while it imports that one
    from rest_framework.views import APIView

from tasks.access.addresses import neighbourhood_of

logger = logging.getLogger(__name__)

# Streams have a limit of their own, so that clients that reconnect leave that of reads
# alone; and so have pages that say who looks at them.
Scope = Literal["create", "read", "stream", "presence", "public", "sign-in"]

# A person who mistypes a few times is let in; who guesses gets nowhere.
SIGN_IN_RATE = "10/5m"


def seconds_to_wait(
    request: HttpRequest, scope: Scope, who: str, *, spend: bool = True
) -> int | None:
    """Return how long ``who`` has to wait, or None if they may go on.

    With ``spend`` this request counts. Fails open: while Redis is down, serving is
    worth more than counting.
    """
    is_create = scope == "create"
    rate = settings.RATE_LIMIT_CREATE if is_create else settings.RATE_LIMIT_READ
    try:
        usage = get_usage(
            request,
            group=f"tasks.api.{scope}",
            key=lambda group, request: who,
            rate=rate,
            increment=spend,
        )
    except RedisError:
        logger.warning("Requests are not counted: Redis does not answer.")
        return None
    if usage is None:
        return None
    used_up = usage["count"] > usage["limit"] - (0 if spend else 1)
    return max(1, usage["time_left"]) if used_up else None


class RateLimit(BaseThrottle):
    """429 beyond RATE_LIMIT_CREATE or RATE_LIMIT_READ, by the view's rate_scope."""

    seconds: int | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        scope: Scope = getattr(view, "rate_scope", "read")
        self.seconds = seconds_to_wait(request._request, scope, _who(request))
        return self.seconds is None

    def wait(self) -> float | None:
        return self.seconds


def _who(request: Request) -> str:
    user: object = request.user
    if user is None:
        return f"address:{neighbourhood_of(request._request)}"
    # Keys bring their own name to count by; people count by their number.
    return str(getattr(user, "counted_as", f"user:{getattr(user, 'pk', None)}"))
