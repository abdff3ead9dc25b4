"""The time zone in which a page shows moments and counts days."""

import zoneinfo
from datetime import UTC, tzinfo
from functools import cache

from django.http import HttpRequest

IN_ADDRESS = "tz"  # beside days, so that a link means the same days to everybody
COOKIE = "zone"  # the reader's own, set by static/js/zone.js


def zone_of(request: HttpRequest) -> tzinfo:
    """Return the zone that the address names, or else the reader's; UTC where neither
    is known."""
    asked = (request.GET.get(IN_ADDRESS), request.COOKIES.get(COOKIE))
    name = next((name for name in asked if name in _names()), None)
    return zoneinfo.ZoneInfo(name) if name else UTC


@cache
def _names() -> frozenset[str]:
    # A look through the system's files, which takes some 20 ms. The two that are left
    # out are no places, and no browser knows them.
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}
