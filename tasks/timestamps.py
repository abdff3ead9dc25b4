"""Moments as the API writes them."""

from datetime import UTC, datetime

from django.utils import timezone

from tasks.models import moment


def iso(at: datetime | None) -> str | None:
    """UTC, ISO 8601 with milliseconds: ``2025-11-26T10:30:01.234Z``."""
    if at is None:
        return None
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def iso_of_ms(at_ms: int) -> str:
    """The same, from milliseconds since 1970."""
    return str(iso(moment(at_ms)))


def seconds_since(at: datetime | None) -> int:
    """Return how long ago a moment was; 0 where there is none, or it is to come."""
    if at is None:
        return 0
    return max(0, int((timezone.now() - at).total_seconds()))
