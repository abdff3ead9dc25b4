"""How often a password may be tried: counted before it is looked at, so that thirty at
once are no more than thirty one after the other.

Whoever fails is counted by his address, by the account, and by both together; who is
right is not counted. A person who signed in from an address before is stopped there
only by what fails for that account: neither a stranger behind the same NAT nor one
far away keeps him out.
"""

import hashlib
import logging
import re
import time
from dataclasses import dataclass, field

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from tasks.access import rate_limits
from tasks.access.addresses import neighbourhood, neighbourhood_of
from tasks.models import AuditEvent

logger = logging.getLogger(__name__)

# For one account, from all addresses from which nobody ever signed in to it.
ACCOUNT_RATE = "30/h"
PLACES = 50  # of an account's newest sign-ins, which are known
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class TooManyAttempts(Exception):
    """The password is not looked at; ``seconds`` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"Too many attempts; wait {seconds} s.")


@dataclass
class Attempt:
    """One attempt to give a password, counted; ``forget`` it where it was right."""

    _counted: list[str] = field(default_factory=list)

    def forget(self) -> None:
        for key in self._counted:
            try:
                cache.decr(key)
            except (ValueError, RedisError):  # its time is over, or the server is away
                continue

    def count_address(self, request: HttpRequest) -> int:
        place = neighbourhood_of(request)
        return self.count(rate_limits.SIGN_IN_RATE, "address", place)

    def count(self, rate: str, *who: str) -> int:
        """Return how many seconds there are to wait; 0 while the rate is kept."""
        most, seconds = _parsed(rate)
        key = f"attempts:{rate}:{_digest(*who)}"
        now = int(time.time())
        try:
            cache.add(f"{key}:until", now + seconds, seconds)
            cache.add(key, 0, seconds)
            count = cache.incr(key)
            until = cache.get(f"{key}:until", now + seconds)
        except ValueError:  # its time was over in between
            return 0
        except RedisError:
            logger.warning(
                "Attempts to sign in are not counted: Redis does not answer."
            )
            return 0
        self._counted.append(key)
        return max(1, until - now) if count > most else 0


def attempt(request: HttpRequest, account: str) -> Attempt:
    """Return an attempt on an account, counted. Raises TooManyAttempts.

    An account that is none is counted alike, so that nobody learns which there are.
    """
    place = neighbourhood_of(request)
    name = get_user_model().normalize_username(account).casefold()
    made = Attempt()
    # What is refused anyway must not use up what others may try.
    if both := made.count(rate_limits.SIGN_IN_RATE, "account", name, "address", place):
        raise TooManyAttempts(both)
    strange = made.count_address(request) or made.count(ACCOUNT_RATE, "account", name)
    if strange and not _has_signed_in_from(account, place):
        raise TooManyAttempts(strange)
    return made


def _has_signed_in_from(account: str, place: str) -> bool:
    """Return whether this address is one from which the account signed in lately."""
    known = AuditEvent.objects.filter(action=AuditEvent.Action.SIGN_IN, actor=account)
    addresses = known.values_list("address", flat=True)[:PLACES]
    return place in {neighbourhood(address) for address in addresses}


def _parsed(rate: str) -> tuple[int, int]:
    """``10/5m`` as how many, in how many seconds."""
    most, number, unit = re.fullmatch(r"(\d+)/(\d*)([smhd])", rate).groups()  # type: ignore[union-attr]
    return int(most), int(number or 1) * SECONDS[unit]


def _digest(*who: str) -> str:
    """A cache's keys are short, and people type passwords into the wrong field."""
    text = "\0".join(who).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
