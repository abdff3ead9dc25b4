"""Tasks and their lines: what may follow what, what comes next, what is forgotten."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.models.definition import TaskDefinition
from tasks.models.log_block import LogBlock
from tasks.models.pause import claimable, same
from tasks.models.pruned_log import PrunedLog
from tasks.models.results import ShortResult
from tasks.models.runner import Runner
from tasks.models.sequences import NumberField, next_ended, next_number
from tasks.models.task_indexes import CONSTRAINTS, INDEXES
from tasks.models.trail import moment

# What goes in one transaction: on SQLite some 10 ms, in which nothing else is written.
TASKS_AT_ONCE = 20
LINES_AT_ONCE = 2_000


class StatusConflict(Exception):
    """A task was not in the state that a move needs; nothing was changed."""

    def __init__(self, task_id: uuid.UUID, wanted: str, found: str | None) -> None:
        self.task_id, self.wanted, self.found = task_id, wanted, found
        super().__init__(f"Task {task_id} is {found}; it cannot become {wanted}.")


class TaskQuerySet(models.QuerySet["Task"]):
    def pending(self) -> Self:
        return self.filter(status=Task.Status.PENDING)

    def running(self) -> Self:
        return self.filter(status=Task.Status.RUNNING)

    def blocked(self) -> Self:
        return self.filter(status=Task.Status.BLOCKED)

    def finished(self) -> Self:
        return self.filter(status__in=Task.ENDED)

    def short(self) -> Self:
        """As lists and events show them: large outputs stay in the database."""
        return self.defer("result").annotate(short_result=ShortResult("result"))

    def newest_first(self) -> Self:
        return self.order_by("-number", "-id")

    def last_ended(self, count: int) -> list["Task"]:
        """The newest ``count`` of those that have ended, the last one first."""
        ended = self.filter(completed_at__isnull=False).order_by("-ended", "-id")
        # One query each, because the index of ends has nothing of what is pinned.
        found = [
            task
            for pinned in (False, True)
            for task in ended.filter(pinned=pinned)[:count]
        ]
        found.sort(key=lambda task: (task.completed_at, task.number), reverse=True)
        return found[:count]

    def next_in_queue(
        self,
        types: Sequence[str],
        full: Sequence[str] = (),
        newest: Sequence[str] = (),
    ) -> Self:
        """Pending tasks that may start now, oldest first: see ``claimable()``."""
        held = self.model.objects.running().filter(**same("lock"))
        kept = self.model.objects.filter(keeps_lock=True, **same("lock"))
        kept = kept.exclude(**same("pk")).order_by()
        ready = self.pending().exclude(models.Exists(held) | models.Exists(kept))
        later = self.model.objects.pending().filter(
            **same("lock", "type"), number__gt=models.OuterRef("number")
        )
        conditions = claimable(types, full, newest, later)
        return ready.filter(*conditions).order_by("number", "id")

    def move(self, task_id: uuid.UUID, old: str, new: str, **fields: Any) -> None:
        """Move one task from a status to the next, or change nothing at all.

        Raises StatusConflict where the task is not (or no longer) in ``old``, and
        ValueError where the move itself is never allowed.
        """
        if new not in Task.MOVES[old]:
            raise ValueError(f"A task never goes from {old} to {new}.")
        if new in Task.ENDED:
            fields |= {"secret_values": None, "ended": next_ended()}
            fields |= {"keeps_lock": False}
        if not self.filter(pk=task_id, status=old).update(status=new, **fields):
            found = self.filter(pk=task_id).values_list("status", flat=True).first()
            raise StatusConflict(task_id, new, found)

    def beyond(self, keep: int) -> list[uuid.UUID]:
        """Some finished tasks beyond the newest ``keep``, as many as go at once.

        The newest are those that ended last, whatever a clock said then. A task that
        has not ended, or is pinned, is never among them.
        """
        old = self.filter(completed_at__isnull=False, pinned=False)
        self._number_strays(old)
        old = old.order_by("-ended", "-id")
        return list(old.values_list("pk", flat=True)[keep : keep + TASKS_AT_ONCE])

    def _number_strays(self, old: Self) -> None:
        """Give numbers to tasks of a program that knows of none: one of the version
        before, while an update is under way."""
        for task_id in self.filter(number=0).values_list("pk", flat=True):
            self.filter(pk=task_id, number=0).update(number=next_number())
        strays = old.filter(ended=None).order_by("completed_at", "id")
        for task_id in strays.values_list("pk", flat=True):
            self.filter(pk=task_id, ended=None).update(ended=next_ended())

    def forget(self, tasks: Sequence[uuid.UUID]) -> list[datetime]:
        """Delete these, but for what is pinned by now, in one small transaction;
        returns when those that are gone had ended.

        The lines of long logs are left, for later: PrunedLog says whose.
        """
        with transaction.atomic():
            doomed = self.filter(pk__in=tasks, pinned=False)
            lines = doomed.select_for_update().order_by("last_seq")
            short: list[uuid.UUID] = []
            long: list[uuid.UUID] = []
            ended: list[datetime] = []
            count = 0
            columns: Any = lines.values_list("pk", "last_seq", "completed_at")
            for task_id, last_seq, completed_at in columns:
                count += last_seq
                (short if count <= LINES_AT_ONCE else long).append(task_id)
                ended.append(completed_at)
            # In this order: a line that is packed meanwhile is in a block then.
            LogLine.objects.filter(task_id__in=short).delete()
            LogBlock.objects.filter(task_id__in=short).delete()
            logs = [PrunedLog(task_id=task_id) for task_id in long]
            PrunedLog.objects.bulk_create(logs, ignore_conflicts=True)
            self.filter(pk__in=[*short, *long]).delete()
        return ended


AllOfTasks = models.Manager.from_queryset(TaskQuerySet)


class TaskManager(AllOfTasks["Task"]):
    """Tasks without what may be long: who shows a summary reads it."""

    def get_queryset(self) -> models.QuerySet["Task"]:
        return super().get_queryset().defer("summary", "taken_over")


class Task(models.Model):
    """One run of a job: what was asked, how far it is, what came of it."""

    class Status(models.TextChoices):
        PENDING = "pending", _("queued")
        RUNNING = "running", _("running")
        BLOCKED = "blocked", _("awaiting approval")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    WAITING = (Status.PENDING, Status.BLOCKED)
    ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    # Every allowed move; nothing leaves an end state.
    MOVES: Mapping[str, frozenset[str]] = {
        Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED}),
        Status.RUNNING: frozenset({*ENDED, Status.PENDING, Status.BLOCKED}),
        Status.BLOCKED: frozenset({Status.PENDING, Status.FAILED, Status.CANCELLED}),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(_("type"), max_length=100)
    # Of secret ones only the names: in place of each value is MASK.
    params = models.JSONField(_("parameters"), default=dict)
    # The values of secret parameters until the end, sealed by tasks.secrets.encryption.
    secret_values = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001 (none is not the text "")
    # The type as it was when the task was accepted; None of tasks from before.
    definition = models.ForeignKey(
        TaskDefinition,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="tasks",
    )
    # Since when the file by which it was accepted has been as it was then.
    types_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # A copy of params["version"], so that lists can be filtered by it.
    version = models.CharField(_("version"), max_length=100, blank=True, default="")
    status = models.CharField(
        _("status"),
        max_length=max(len(value) for value in Status.values),
        choices=Status.choices,
        default=Status.PENDING,
    )
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    step_index = models.PositiveSmallIntegerField(default=0)  # 1 is the first
    step_count = models.PositiveSmallIntegerField(default=0)
    step_name = models.CharField(_("step"), max_length=200, blank=True, default="")
    # Each change while running, with the line it followed; see columns_after. A
    # viewer gets every change in its place even where several were committed at once.
    trail = models.JSONField(default=list, editable=False)

    # The order of the queue and of lists: a clock may be set, and SQLite's has only
    # milliseconds.
    number = NumberField()
    # In which order tasks ended; the last ones are kept.
    ended = models.BigIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    completed_at = models.DateTimeField(_("ended"), null=True, blank=True)
    created_by = models.CharField(
        _("started by"), max_length=200, blank=True, default=""
    )
    created_from = models.GenericIPAddressField(_("from"), null=True, blank=True)
    rerun_of = models.ForeignKey(
        "self",
        verbose_name=_("rerun of"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="reruns",
    )

    result = models.JSONField(_("result"), null=True, blank=True)
    # Markdown that its steps wrote for people, and how much of it there is.
    summary = models.TextField(_("summary"), null=True, blank=True)  # noqa: DJ001 (null is part of the API)
    summary_bytes = models.PositiveIntegerField(null=True, editable=False)
    error = models.TextField(_("error"), null=True, blank=True)  # noqa: DJ001 (null is part of the API)
    # What the error says, for programs and other languages: tasks.reasons.
    error_reason = models.JSONField(null=True, editable=False)
    last_seq = models.PositiveBigIntegerField(_("lines"), default=0)
    # SHA-256 of the log as a client has it, set with the end state.
    log_sha256 = models.CharField(max_length=64, blank=True, default="")

    # 1, or more where it went back to the queue after its runner had died.
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    # Since when its step has been silent for longer than its type finds normal.
    stalled_since = models.DateTimeField(_("silent since"), null=True, blank=True)
    lock = models.CharField(max_length=500, null=True, blank=True)  # noqa: DJ001 (no lock is not the lock "")
    # Which of its type's places (max_running) it has while it runs: 0, 1, 2 …
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    runner = models.ForeignKey(
        Runner,
        verbose_name=_("runner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tasks",
    )
    # How many approvals its steps have asked for, and for how long it waited for those
    # that were decided; of its time that is no work.
    approvals_asked = models.PositiveSmallIntegerField(default=0, db_default=0)
    approval_ms = models.PositiveBigIntegerField(default=0, db_default=0)
    # It has its lock though it does not run: it awaits an approval, or has it by now.
    keeps_lock = models.BooleanField(default=False, db_default=False)
    from_step = models.PositiveSmallIntegerField(default=1, db_default=1)
    taken_over = models.JSONField(null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(
        _("cancel requested"), null=True, blank=True
    )
    cancel_requested_by = models.CharField(max_length=200, blank=True, default="")
    # Whoever asked did not want to wait for the step's processes to end in order.
    cancel_forced = models.BooleanField(default=False)
    pinned = models.BooleanField(_("pinned"), default=False)

    objects = TaskManager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["-number", "-id"]
        constraints = CONSTRAINTS
        indexes = INDEXES

    def __str__(self) -> str:
        return f"{self.type} {self.version}".strip()

    @property
    def short_result(self) -> Any:
        """The result; ``short()`` sets it."""
        return self.result

    @short_result.setter
    def short_result(self, value: Any) -> None:
        self.result = value

    @property
    def has_ended(self) -> bool:
        return self.status in self.ENDED

    def conflict(self, wanted: str) -> StatusConflict:
        return StatusConflict(self.pk, wanted, self.status)


class LogLine(models.Model):
    """One line of a task's output, numbered 1, 2, 3 … without a hole."""

    class Level(models.TextChoices):
        INFO = "info"
        STDOUT = "stdout"
        STDERR = "stderr"
        SUCCESS = "success"
        WARNING = "warning"
        ERROR = "error"

    pk = models.CompositePrimaryKey("task_id", "seq")
    # No constraint in the database: checking it would halve the speed of COPY.
    # Lines are deleted with their task by TaskQuerySet.forget.
    task = models.ForeignKey(
        Task,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="lines",
    )
    seq = models.PositiveBigIntegerField()
    # Milliseconds since 1970 UTC: a quarter of a timestamp's size in SQLite, and
    # nothing to parse on the way to a million readers.
    at_ms = models.PositiveBigIntegerField()
    level = models.CharField(
        max_length=max(len(value) for value in Level.values), choices=Level.choices
    )
    message = models.TextField()

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")

    def __str__(self) -> str:
        return self.message

    @property
    def timestamp(self) -> datetime:
        return moment(self.at_ms)
