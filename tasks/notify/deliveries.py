"""The way of a message: taken by one runner, attempted, and written down.

At least once: who is killed between the answer and its record has sent it, and whoever
comes after sends it again, with the same ``webhook-id``.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from tasks.models import Runner, Webhook, WebhookDelivery
from tasks.notify import words
from tasks.notify.acts import disable, url_and_secret, without_secrets
from tasks.notify.formats import Request, refusal, request_of
from tasks.notify.post import TOTAL_SECONDS, Answer, Unanswered, post
from tasks.notify.targets import Refused, addresses_of, target_of
from tasks.reasons import Reason
from tasks.secrets.encryption import SecretKeyChanged
from tasks.timestamps import iso

State = WebhookDelivery.State

# Between attempts: those of Standard Webhooks, but a day in all.
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 300, 1_800, 3_600, 7_200, 14_400, 21_600, 36_000)
)
JITTER = 0.1  # of a pause, so that what failed at once does not come back at once
# After a failure nothing else is sent to the same webhook for so long, or for what
# Retry-After says.
REST = timedelta(seconds=5)
LONGEST_REST = timedelta(hours=1)
PER_WEBHOOK = 2  # at once, of one runner
MOST_ANSWER = 1_000  # characters that are kept


class Outcome(NamedTuple):
    """What came of one attempt."""

    at: datetime
    ms: int
    error: Reason | None
    status: int | None = None
    note: Reason | None = None  # of an answer that counts all the same
    answer: str = ""
    rest: timedelta = REST

    def as_json(self) -> dict[str, Any]:
        return {
            "at": iso(self.at),
            "durationMs": self.ms,
            "status": self.status,
            "error": self.error and self.error.as_json(),
            "note": self.note and self.note.as_json(),
            "answer": self.answer,
        }


def take(
    runner: Runner, now: datetime, most: int, at_work: Mapping[uuid.UUID, int]
) -> list[WebhookDelivery]:
    """Take up to so many deliveries that are due, in the runner's name. ``at_work``:
    how many it sends already, by webhook."""
    counts = Counter(at_work)
    busy = [key for key, count in counts.items() if count >= PER_WEBHOOK]
    due = WebhookDelivery.objects.due(now, PAUSES[-1] * (1 + JITTER))
    due = due.exclude(webhook__in=busy)
    if most <= 0 or not due.exists():
        return []
    with transaction.atomic():
        chosen: list[WebhookDelivery] = []
        locked = due.select_for_update(skip_locked=True, of=("self",))
        for delivery in locked.select_related("webhook")[: 4 * most]:
            counts[delivery.webhook_id] += 1
            if counts[delivery.webhook_id] <= PER_WEBHOOK and len(chosen) < most:
                chosen.append(delivery)
        keys = [delivery.pk for delivery in chosen]
        WebhookDelivery.objects.filter(pk__in=keys).update(runner=runner)
    return chosen


def request_for(delivery: WebhookDelivery, secret: str, at: datetime) -> Request:
    """Return what an attempt sends."""
    webhook, payload = delivery.webhook, delivery.payload
    if delivery.failures:
        payload = words.storm_message(payload, webhook.language).as_json()
    message_id = str(delivery.message_id)
    return request_of(webhook.format, payload, message_id, secret, at)


def attempt(delivery: WebhookDelivery, seconds: float = TOTAL_SECONDS) -> Outcome:
    """Send a message once. It asks no database, and so may be done in a thread."""
    webhook, at = delivery.webhook, timezone.now()
    deadline = time.monotonic() + seconds

    def ended(error: Reason | None, **more: Any) -> Outcome:
        took = timezone.now() - at
        return Outcome(at, max(0, round(took.total_seconds() * 1000)), error, **more)

    try:
        url, secret = url_and_secret(webhook)
    except SecretKeyChanged:
        return ended(Reason("webhook-sealed"))
    try:
        target = target_of(url)
        request = request_for(delivery, secret, at)
        if request.query:
            mark = "&" if "?" in target.path else "?"
            target = target._replace(path=f"{target.path}{mark}{request.query}")
        addresses = addresses_of(target, seconds)
        left = max(0.0, deadline - time.monotonic())
        answer = post(target, addresses, request.headers, request.body, left)
    except (Refused, Unanswered) as error:
        return ended(error.reason)
    text = answer.body.decode("utf-8", "replace").replace(
        "\0", "\N{REPLACEMENT CHARACTER}"
    )
    kept = without_secrets(text, webhook, url, secret)[:MOST_ANSWER]
    return ended(
        _with_masks(refusal(webhook.format, answer), webhook, url, secret),
        status=answer.status,
        note=answer.flaw,
        answer=kept,
        rest=_rest_of(answer),
    )


def record(
    delivery: WebhookDelivery, runner: Runner, outcome: Outcome, now: datetime
) -> None:
    """Write down what came of an attempt, and when the next one is. Nothing, where the
    delivery is not this runner's any more, or its webhook was deleted or disabled."""
    webhook, error = delivery.webhook, outcome.error
    mine = WebhookDelivery.objects.waiting().filter(pk=delivery.pk, runner=runner)
    attempts = [*delivery.attempts, outcome.as_json()]
    fields: dict[str, Any] = {"attempts": attempts, "runner": None}
    tried = len(attempts)
    if error is None:
        fields |= {"state": State.DELIVERED, "next_at": None, "ended_at": now}
    elif tried <= len(PAUSES):
        spread = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 (no secret)
        fields["next_at"] = now + PAUSES[tried - 1] * spread
    else:
        fields |= {"state": State.FAILED, "next_at": None, "ended_at": now}
    with transaction.atomic():
        if not mine.update(**fields):
            return
        if error is not None and error.code == "webhook-gone":
            disable(webhook, error)
            return
        rests = Webhook.objects.filter(pk=webhook.pk)
        if error is not None:
            rests.update(rests_until=now + outcome.rest)
        elif webhook.rests_until is not None:
            rests.update(rests_until=None)


def release(deliveries: Iterable[WebhookDelivery], runner: Runner) -> None:
    """Let others send what was taken and not sent."""
    keys = [delivery.pk for delivery in deliveries]
    mine = WebhookDelivery.objects.waiting().filter(pk__in=keys, runner=runner)
    mine.update(runner=None)


def _with_masks(
    error: Reason | None, webhook: Webhook, url: str, secret: str
) -> Reason | None:
    if error is None:
        return None
    return error.with_texts(lambda text: without_secrets(text, webhook, url, secret))


def _rest_of(answer: Answer) -> timedelta:
    wanted = answer.headers.get("retry-after", "").strip()
    if not wanted.isascii() or not wanted.isdecimal() or len(wanted) > 6:
        return REST
    return max(REST, min(timedelta(seconds=int(wanted)), LONGEST_REST))
