"""Finds out who is told of what happened: of each event a delivery for each webhook
that asks for it."""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.db import Error, connection, transaction

from tasks.models import (
    Event,
    Runner,
    Task,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from tasks.notify import words
from tasks.notify.message import Message

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 50
# A chat hears of so many failures in STORM one by one, and of the others by one message
# that counts them: it is held for GATHERING, and a second one comes no sooner than a
# STORM after the first. DingTalk shuts out who sends more than 20 a minute for ten.
SINGLE_FAILURES = 5
STORM = timedelta(minutes=1)
GATHERING = timedelta(seconds=10)
ENDS = {Event.TASK_COMPLETED, Event.TASK_FAILED, Event.TASK_CANCELLED}
# Of all runners one does this at a time: what is about one task stays in its order.
ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('webhook events', 0))"


@dataclass
class Told:
    """What there is to tell of one event. ``type``: the task's, by which webhooks
    choose; "" of a runner's."""

    event: Event
    at: datetime
    subject: str
    type: str
    data: dict[str, Any]
    task: Task | None = None
    task_id: uuid.UUID | None = None
    _messages: dict[str, Message] = field(default_factory=dict)

    def message(self, language: str) -> Message:
        if language not in self._messages:
            self._messages[language] = self._made(language)
        return self._messages[language]

    def _made(self, language: str) -> Message:
        if self.event == Event.RUNNER_LOST:
            return words.runner_message(self.data, language)
        if self.event in {Event.RELEASE_PUBLISHED, Event.RELEASE_ROLLED_BACK}:
            return words.release_message(self.event, self.data, language)
        if self.task is None:
            return words.deleted_message(self.event, self.type, language)
        return words.message_of(self.event, self.task, language)


def fan_out(now: datetime, most: int = EVENTS_AT_ONCE) -> int:
    """Make the deliveries of the oldest events; returns how many events there were."""
    if not WebhookEvent.objects.exists():
        return 0
    with transaction.atomic():
        if not _is_alone():
            return 0
        events = list(WebhookEvent.objects.order_by("pk")[:most])
        webhooks = list(Webhook.objects.active())
        for row in events if webhooks else ():
            _tell_or_log(row, webhooks, now)
        WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


def _is_alone() -> bool:
    """Return whether no other runner is at it. SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(ALONE)
        return bool(cursor.fetchone()[0])


def _tell_or_log(row: WebhookEvent, webhooks: list[Webhook], now: datetime) -> None:
    """What can't be put into words keeps nobody from hearing of the rest."""
    try:
        for told in _told(row):
            for webhook in webhooks:
                if _asks_for(webhook, told):
                    _deliver(webhook, told, now)
    except Error:
        raise
    except Exception:
        logger.exception("event=%s of %s was not told", row.event, row.subject_id)


def _told(row: WebhookEvent) -> Iterator[Told]:
    """Yield what there is to tell of an event."""
    event, key = Event(row.event), str(row.subject_id)
    if event == Event.RUNNER_LOST:
        runner = Runner.objects.filter(pk=row.subject_id).first()
        yield Told(event, row.at, key, "", words.runner_data(runner, key))
        return
    task = Task.objects.defer("trail").filter(pk=row.subject_id).first()
    if task is None:
        data = words.deleted_data(event, key, row.type)
        yield Told(event, row.at, key, row.type, data, None, row.subject_id)
        return
    data = words.data_of(event, task)
    yield Told(event, row.at, key, row.type, data, task, task.pk)
    for move, moved in words.moves_of(task) if event in ENDS else ():
        place = f"release:{moved['platform']}:{moved['channel']}"[:100]
        yield Told(move, row.at, place, row.type, moved, task, task.pk)


def _asks_for(webhook: Webhook, told: Told) -> bool:
    if told.at < webhook.created_at:
        return False
    if not any(fnmatchcase(told.event, pattern) for pattern in webhook.events):
        return False
    if not webhook.types or not told.type:
        return True
    return any(fnmatchcase(told.type, pattern) for pattern in webhook.types)


def _deliver(webhook: Webhook, told: Told, now: datetime) -> None:
    if not webhook.is_chat:
        payload: dict[str, Any] = words.body_of(told.event, told.at, told.data)
    else:
        message = told.message(webhook.language)
        if told.event == Event.TASK_FAILED and _join_storm(webhook, message, now):
            return
        payload = message.as_json()
    WebhookDelivery.objects.create(
        webhook=webhook,
        event=told.event,
        subject=told.subject,
        task_id=told.task_id,
        payload=payload,
        created_at=now,
        next_at=now,
    )


# --- Storms -------------------------------------------------------------------------


def _join_storm(webhook: Webhook, message: Message, now: datetime) -> bool:
    """Count a failure in one message with others, where there were many lately. False
    where it is told of by itself."""
    failures = WebhookDelivery.objects.filter(webhook=webhook, event=Event.TASK_FAILED)
    storms = failures.filter(failures__gt=0)
    # One that somebody is about to send is not written to any more.
    open_storm = storms.waiting().filter(runner=None, attempts=[])
    storm = open_storm.select_for_update().order_by("-pk").first()
    if storm is None:
        recent = failures.filter(created_at__gt=now - STORM)
        if recent.count() < SINGLE_FAILURES:
            return False
        last = storms.order_by("-pk").first()
        storm = WebhookDelivery(
            webhook=webhook,
            event=Event.TASK_FAILED,
            subject="storm",
            payload={"count": 0, "first": []},
            created_at=now,
            next_at=max(now + GATHERING, last.created_at + STORM if last else now),
        )
    one = {"headline": message.headline, "cause": message.quote or _first(message)}
    first = [*storm.payload["first"], one][: words.NAMED]
    storm.failures += 1
    storm.payload = {"count": storm.failures, "first": first}
    storm.save()
    return True


def _first(message: Message) -> str:
    return message.lines[0] if message.lines else ""
