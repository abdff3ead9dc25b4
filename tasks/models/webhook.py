"""Webhooks: who is told of what, the events of which nobody was told yet, and what was
sent to whom, with which answer."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import connection, models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.models.runner import Runner
from tasks.models.task import Task

KEPT = timedelta(days=30)  # of deliveries that are over
ROWS_AT_ONCE = 1_000


class Event(models.TextChoices):
    """What webhooks tell of."""

    TASK_STARTED = "task.started", _("task started")
    TASK_COMPLETED = "task.completed", _("task completed")
    TASK_FAILED = "task.failed", _("task failed")
    TASK_CANCELLED = "task.cancelled", _("task cancelled")
    TASK_RECOVERED = "task.recovered", _("task back in the queue")
    TASK_STALLED = "task.stalled", _("task silent")
    TASK_BLOCKED = "task.blocked", _("task awaiting approval")
    RELEASE_PUBLISHED = "release.published", _("release published")
    RELEASE_ROLLED_BACK = "release.rolled_back", _("release rolled back")
    RUNNER_LOST = "runner.lost", _("runner lost")
    TEST = "webhook.test", _("test message")  # sent when somebody asks for it


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def active(self) -> Self:
        return self.filter(disabled_at=None)


class Webhook(models.Model):
    """An address that is told of events, in one of several formats."""

    class Format(models.TextChoices):
        STANDARD = "standard", "Standard Webhooks"
        SLACK = "slack", "Slack"
        FEISHU = "feishu", _("Feishu")
        DINGTALK = "dingtalk", _("DingTalk")
        WECOM = "wecom", _("WeCom")

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        CHINESE = "zh-hans", "简体中文"

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        DISABLED = "disabled", _("disabled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, blank=True, default="")
    # Its URL and its secret, sealed by tasks.secrets.encryption: whoever has the URL of
    # a chat writes into it.
    sealed = models.TextField(editable=False)
    shown_url = models.CharField(_("URL"), max_length=300)  # without what is secret
    events = models.JSONField(_("events"), default=list)
    # Names of task types, or patterns of them; of any type where there are none.
    types = models.JSONField(_("task types"), default=list, blank=True)
    format = models.CharField(
        _("format"), max_length=20, choices=Format.choices, default=Format.STANDARD
    )
    language = models.CharField(
        _("language"),
        max_length=20,
        choices=Language.choices,
        default=Language.ENGLISH,
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    created_by = models.CharField(_("created by"), max_length=200)
    disabled_at = models.DateTimeField(_("disabled"), null=True, blank=True)
    disabled_reason = models.JSONField(null=True, blank=True)  # tasks.reasons
    # Nothing is sent until then: its last answer was a failure.
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name or self.shown_url

    @property
    def state(self) -> State:
        return self.State.DISABLED if self.disabled_at else self.State.ACTIVE

    @property
    def is_chat(self) -> bool:
        return self.format != self.Format.STANDARD


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    def emit(self, event: Event, task_ids: Iterable[uuid.UUID]) -> None:
        """Note that something happened to tasks, in the transaction in which it does:
        one statement, which writes nothing where no webhook is active.

        ``event``: any that begins with ``task.``.
        """
        keys = [_key(task_id) for task_id in task_ids]
        if keys:
            places = ", ".join(["%s"] * len(keys))
            _insert(f"FROM {TASKS} WHERE id IN ({places}) AND", "type", event, keys)

    def emit_lost(self, runner_id: uuid.UUID) -> None:
        """The same of a runner that was lost."""
        of_runner = f"FROM {RUNNERS} WHERE id = %s AND"
        _insert(of_runner, "''", Event.RUNNER_LOST, [_key(runner_id)])


class WebhookEvent(models.Model):
    """What happened, until it is known which webhooks are told: the outbox."""

    event = models.CharField(max_length=40)
    subject_id = models.UUIDField()  # the task's, or the runner's
    type = models.CharField(max_length=100, blank=True, default="")  # the task's
    at = models.DateTimeField(db_default=Now())

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.event} {self.subject_id}"


TASKS, RUNNERS = Task._meta.db_table, Runner._meta.db_table
EVENTS = WebhookEvent._meta.db_table
SOMEBODY_LISTENS = (
    f"EXISTS (SELECT 1 FROM {Webhook._meta.db_table} WHERE disabled_at IS NULL)"  # noqa: S608 (constants only)
)


def _key(value: uuid.UUID) -> Any:
    return Task._meta.pk.get_db_prep_value(value, connection)


def _insert(source: str, kind: str, event: Event, values: list[Any]) -> None:
    """Write an event for each row of a source, where somebody listens."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {EVENTS} (event, subject_id, type) "
            f"SELECT %s, id, {kind} {source} {SOMEBODY_LISTENS} ORDER BY id",
            [event.value, *values],
        )


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def waiting(self) -> Self:
        return self.filter(state=WebhookDelivery.State.WAITING)

    def due(self, now: datetime, longest_pause: timedelta) -> Self:
        """Return those to be sent now, oldest first: nobody is at it, and none before
        it of the same webhook and subject waits.

        One that is further away than any pause was written by a clock that was ahead.
        """
        earlier = WebhookDelivery.objects.waiting().filter(
            webhook=models.OuterRef("webhook"),
            subject=models.OuterRef("subject"),
            pk__lt=models.OuterRef("pk"),
        )
        rested = models.Q(webhook__rests_until=None) | models.Q(
            webhook__rests_until__lte=now
        )
        rested |= models.Q(webhook__rests_until__gt=now + longest_pause)
        free = models.Q(runner=None) | models.Q(runner__stopped_at__isnull=False)
        is_time = models.Q(next_at__lte=now) | models.Q(next_at__gt=now + longest_pause)
        found = self.waiting().filter(free, is_time, rested, webhook__disabled_at=None)
        return found.exclude(models.Exists(earlier)).order_by("pk")

    def forget(self) -> int:
        """Delete some that ended long ago; returns how many, 0 when there are no
        more."""
        old = self.filter(ended_at__lt=timezone.now() - KEPT).order_by("pk")
        found = list(old.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        return self.filter(pk__in=found).delete()[0]


class WebhookDelivery(models.Model):
    """One message to one webhook, and each attempt to deliver it."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    webhook = models.ForeignKey(
        Webhook,
        verbose_name=_("webhook"),
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
    )
    # By which its receiver knows it again: the same at each attempt.
    message_id = models.UUIDField(default=uuid.uuid4, editable=False)
    event = models.CharField(_("event"), max_length=40)
    # What it is about: of one webhook's these go out one after the other.
    subject = models.CharField(max_length=100)
    task_id = models.UUIDField(null=True, blank=True)
    # What it says: the body, or what a chat's message is made of.
    payload = models.JSONField()
    # How many failures it tells of at once; 0 of one that tells of a single event.
    failures = models.PositiveIntegerField(default=0)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.WAITING
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    next_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    # {at, ms, status, answer, error}: see tasks.notify.attempt
    attempts = models.JSONField(_("attempts"), default=list, blank=True)
    # Who is at it. One that has stopped meanwhile is not.
    runner = models.ForeignKey(
        Runner, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-id"]
        indexes = [
            models.Index("webhook", "id", name="delivery_by_webhook"),
            # the look of each runner, each second
            models.Index(
                "webhook",
                "subject",
                "id",
                name="delivery_waiting",
                condition=models.Q(state="waiting"),
            ),
            # prune
            models.Index(
                "ended_at",
                name="delivery_by_end",
                condition=models.Q(ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.message_id}"
