"""A task as the templates show it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _

from tasks.catalog import catalog
from tasks.models import LogLine, Runner, Task
from tasks.pages.sayings import said
from tasks.pages.wording import LEVEL_MARKS, SHAPES, ago_text, duration_text

FIRST_LINES = 200  # rendered by the server; the script goes on from there


@dataclass(frozen=True)
class StepRow:
    """One line of the table of steps."""

    name: str
    status: str  # a task's status, or "" for a step that never ran
    exit_code: int | None = None
    duration: str = ""

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.status)] if self.status else "–"

    @property
    def label(self) -> str:
        return str(Task.Status(self.status).label) if self.status else _("not run")


class Shown:
    """A task as the templates show it."""

    def __init__(self, task: Task, now: datetime) -> None:
        self.task, self.now = task, now
        self.kind = catalog().get(task.type)
        self.api = f"/api/tasks/{task.pk}"

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.task.status)]

    @property
    def title(self) -> str:
        return _(self.kind.title) if self.kind else self.task.type

    @property
    def ago(self) -> str:
        return ago_text(self.task.created_at, self.now)

    @property
    def ended_ago(self) -> str:
        ended = self.task.completed_at
        return ago_text(ended, self.now) if ended else ""

    @property
    def duration(self) -> str:
        """How long it ran, or runs already; "" while it waits."""
        if self.task.started_at is None:
            return ""
        end = self.task.completed_at
        seconds = ((end or self.now) - self.task.started_at).total_seconds()
        # Tenths of a clock that runs would say more than is known.
        return duration_text(seconds if end else max(1, int(seconds)))

    @property
    def error(self) -> str:
        """Why it failed or was cancelled; "" where it was not."""
        return said(self.task.error or "")

    @property
    def params(self) -> dict[str, str]:
        """What was asked, beyond the version, without secrets."""
        known = self.kind.without_secrets(self.task.params) if self.kind else {}
        return {name: value for name, value in known.items() if name != "version"}

    @property
    def step_names(self) -> list[tuple[str, str]]:
        """Each step's name, and how it reads in the page's language."""
        steps = self.kind.steps if self.kind else ()
        return [(step.name, _(step.name)) for step in steps]

    @property
    def steps(self) -> list[StepRow]:
        """What ran, from the result; then what is running or still to come."""
        if self.task.has_ended:
            results = (self.task.result or {}).get("results", [])
            left = self.step_names[len(results) :]
            return [
                *(_step_row(entry, self.task.status) for entry in results),
                *(StepRow(shown, "") for _name, shown in left),
            ]
        current = self.task.step_index
        return [
            StepRow(shown, _status_of_step(number, current))
            for number, (_name, shown) in enumerate(self.step_names, 1)
        ]

    @property
    def lines(self) -> list[LogLine]:
        """The newest lines, oldest first."""
        return list(self.task.lines.order_by("-seq")[:FIRST_LINES])[::-1]

    @property
    def marked_lines(self) -> list[tuple[LogLine, str]]:
        return [
            (line, LEVEL_MARKS.get(LogLine.Level(line.level), ""))
            for line in self.lines
        ]

    @property
    def why_waiting(self) -> str:
        """One sentence on what this task waits for; "" if it does not wait."""
        if self.task.status != Task.Status.PENDING:
            return ""
        alive = Runner.objects.alive()
        if not alive.exists():
            return _("It waits: no runner is alive.")
        if before := self._holder_of_lock():
            return _("It waits for %(task)s to end.") % {"task": before}
        if not any(not r.types or self.task.type in r.types for r in alive):
            return _("It waits: no runner that is alive takes this type.")
        places = alive.aggregate(sum=Sum("concurrency"))["sum"] or 0
        if Task.objects.running().count() >= places:
            return _("It waits: every runner is busy.")
        return _("It starts in a moment.")

    def _holder_of_lock(self) -> Task | None:
        if self.task.lock is None:
            return None
        same_lock = Task.objects.filter(lock=self.task.lock)
        earlier = same_lock.pending().filter(created_at__lt=self.task.created_at)
        return same_lock.running().first() or earlier.order_by("created_at").first()


def _status_of_step(number: int, current: int) -> str:
    if number < current:
        return Task.Status.COMPLETED
    return Task.Status.RUNNING if number == current else Task.Status.PENDING


def _step_row(entry: dict[str, Any], task_status: str) -> StepRow:
    code, milliseconds = entry.get("exitCode"), entry.get("durationMs")
    is_cancelled = task_status == Task.Status.CANCELLED
    unclean = Task.Status.CANCELLED if is_cancelled else Task.Status.FAILED
    return StepRow(
        name=_(str(entry.get("name", ""))),
        status=Task.Status.COMPLETED if code == 0 else unclean,
        exit_code=code,
        duration="" if milliseconds is None else duration_text(milliseconds / 1000),
    )
