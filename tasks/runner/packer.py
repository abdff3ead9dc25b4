"""The packing of a runner: a block of an ended task's lines at a time, with rests."""

import logging
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import Error
from django.utils import timezone

from tasks.logs.packing import Part, may_begin, pack

logger = logging.getLogger(__name__)

PACK_SECONDS = 60.0  # between two looks for what is to be packed
# Longer than it took, by so much: what runs has most of the database's time.
REST = 4


class Packer:
    """``due_at``: time.monotonic() of the next part; None where nothing is packed."""

    def __init__(self) -> None:
        self._parts: Iterator[Part] | None = None
        self._last: uuid.UUID | None = None
        self._rests_until = time.monotonic() + PACK_SECONDS

    @property
    def due_at(self) -> float | None:
        return self._rests_until if settings.PACK_AFTER else None

    def is_due(self, now: float) -> bool:
        return bool(settings.PACK_AFTER) and now >= self._rests_until

    def pack(self) -> None:
        """Pack a little, and rest for longer than it took."""
        started = time.monotonic()
        # Also where the database refuses it; what it refuses must not keep the others
        # waiting, so the next look begins behind that.
        self._rests_until = started + PACK_SECONDS
        parts, self._parts = self._parts, None
        if parts is None:
            if not may_begin():
                return
            ended_before = timezone.now() - timedelta(seconds=settings.PACK_AFTER)
            parts = pack(ended_before, self._last)
        try:
            part = next(parts, None)
        except Error:
            raise
        except Exception:
            # A log that can't be packed is no reason for a runner to end.
            logger.exception("task=%s Its log can't be packed; it stays.", self._last)
            return
        if part is None:
            self._last = None
            return
        self._parts, self._last = parts, part.task_id
        now = time.monotonic()
        self._rests_until = now + REST * (now - started)
