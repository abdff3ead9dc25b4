"""The webhooks of a runner: it finds out who is told, and sends.

The database is asked in the runner's own round, a little at a time; each request has a
thread of its own, which asks no database. So a target that is slow holds up nobody:
neither a task nor another webhook.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue

from django.db import Error
from django.utils import timezone

from tasks.instruments import measures
from tasks.models import Runner, Webhook, WebhookDelivery
from tasks.notify.deliveries import (
    Outcome,
    attempt,
    record,
    release,
    take,
)
from tasks.notify.fan_out import EVENTS_AT_ONCE, fan_out
from tasks.notify.post import TOTAL_SECONDS
from tasks.reasons import Reason

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
MOST_AT_ONCE = 32
CLOSE_SECONDS = 1.0  # for what is on its way when the runner stops


class Sender:
    """``due_at``: time.monotonic() of the next look. ``wake``: has the runner's loop
    look at once, from any thread. ``clock``: what says which moment it is."""

    def __init__(
        self,
        runner: Runner,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._runner, self._wake, self._clock = runner, wake, clock
        self._at_work: dict[int, WebhookDelivery] = {}
        self._done: SimpleQueue[tuple[int, Outcome]] = SimpleQueue()
        self._has_webhooks = False
        self.due_at = 0.0

    def ask(self) -> None:
        """Something may have happened of which somebody is told."""
        if self._has_webhooks:
            self.due_at = 0.0

    def is_due(self, now: float) -> bool:
        return now >= self.due_at or not self._done.empty()

    def look(self) -> None:
        """Do a part of what there is, and rest for as long as it took. Whatever goes
        wrong but for the database is only logged: a run is not to fail by that."""
        try:
            self._look()
        except (Error, OSError):
            raise
        except Exception:
            logger.exception("Webhooks failed; trying again.")

    def _look(self) -> None:
        started = time.monotonic()
        self.due_at = started + LOOK_SECONDS  # also where the database refuses it
        self._record_done()
        # Of a runner without webhooks this is the only question.
        self._has_webhooks = Webhook.objects.exists()
        if not self._has_webhooks:
            return
        now = self._clock()
        is_more = fan_out(now) == EVENTS_AT_ONCE
        is_more = self._start_due(now) or is_more
        if is_more:
            ended = time.monotonic()
            self.due_at = ended + (ended - started)

    def close(self) -> None:
        """Write down what ends within a moment, and leave the rest to others."""
        until = time.monotonic() + CLOSE_SECONDS
        while self._at_work and (left := until - time.monotonic()) > 0:
            try:
                self._record(*self._done.get(timeout=left))
            except Empty:
                break
        release(self._at_work.values(), self._runner)
        self._at_work.clear()

    def finish(self) -> None:
        """Send all that can be sent now, of a runner that goes when its tasks have
        ended."""
        self.look()
        until = time.monotonic() + TOTAL_SECONDS
        while self._at_work and (left := until - time.monotonic()) > 0:
            with suppress(Empty):
                self._record(*self._done.get(timeout=left))
                self.look()

    def _start_due(self, now: datetime) -> bool:
        """Send what is due. Return whether there may be more of it."""
        counts = Counter(one.webhook_id for one in self._at_work.values())
        room = MOST_AT_ONCE - len(self._at_work)
        taken = take(self._runner, now, room, counts)
        for delivery in taken:
            self._at_work[delivery.pk] = delivery
            name = f"webhook-{delivery.pk}"
            threading.Thread(
                target=self._send, args=(delivery,), daemon=True, name=name
            ).start()
        return bool(taken)

    def _send(self, delivery: WebhookDelivery) -> None:
        """In a thread of its own."""
        try:
            outcome = attempt(delivery)
        except Exception as error:
            logger.exception("delivery=%s could not be attempted", delivery.pk)
            words = type(error).__name__
            reason = Reason("webhook-not-sent", cause=words)
            outcome = Outcome(timezone.now(), 0, reason)
        self._done.put((delivery.pk, outcome))
        self._wake()

    def _record_done(self) -> None:
        while not self._done.empty():
            key, outcome = self._done.get()
            try:
                self._record(key, outcome)
            except Exception:
                self._done.put((key, outcome))  # once more, later
                raise

    def _record(self, key: int, outcome: Outcome) -> None:
        delivery = self._at_work[key]
        record(delivery, self._runner, outcome, self._clock())
        del self._at_work[key]
        ended = "failed" if outcome.error else "delivered"
        measures.webhook_attempts.labels(ended).inc()
        logger.info(
            "webhook=%s event=%s message=%s %s",
            delivery.webhook_id,
            delivery.event,
            delivery.message_id,
            outcome.error or "delivered",
        )
