"""A task as the templates show it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tasks.catalog import catalog
from tasks.description import shown_params
from tasks.models import LogLine, Task
from tasks.pages.sayings import said
from tasks.pages.wording import LEVEL_MARKS, SHAPES, ago_text, duration_text
from tasks.waiting import waiting_for

FIRST_LINES = 200  # rendered by the server; the script goes on from there
WAITS = {
    "turn": gettext_noop("It waits for its turn"),
    "lock": gettext_noop(
        "It waits for the end of task {task}, which has the same lock"
    ),
    "limit": gettext_noop("It waits: as many of its type run as may run at once"),
    "runner": gettext_noop("It waits: no runner that is alive takes this type"),
}


@dataclass(frozen=True)
class StepRow:
    """One line of the table of steps."""

    name: str
    status: str  # a task's status, or "" for a step that never ran
    exit_code: int | None = None
    duration: str = ""
    attempt: int = 0  # 1, 2 … where the step was tried more than once

    @property
    def attempt_label(self) -> str:
        return _("attempt %(n)s") % {"n": self.attempt} if self.attempt else ""

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
        """What was asked, without secrets."""
        return shown_params(self.task)

    @property
    def params_but_version(self) -> dict[str, str]:
        return {name: text for name, text in self.params.items() if name != "version"}

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
            begun = sum(_attempt(entry) == 1 for entry in results)
            return [
                *_rows_of_results(results, self.task.status),
                *(StepRow(shown, "") for _name, shown in self.step_names[begun:]),
            ]
        current = self.task.step_index
        return [
            StepRow(shown, _status_of_step(number, current))
            for number, (_name, shown) in enumerate(self.step_names, 1)
        ]

    @property
    def levels(self) -> list[str]:
        """Of lines; they are what the API calls them in every language."""
        return LogLine.Level.values

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
        """What this task waits for, as HTML; "" if it does not wait."""
        waiting = waiting_for(self.task)
        if waiting is None:
            return ""
        link = ""
        if waiting.task_id is not None:
            link = format_html(
                '<a class="code" href="{}">{}</a>',
                reverse("task", args=[waiting.task_id]),
                str(waiting.task_id)[:8],
            )
        reason = format_html(_(WAITS[waiting.reason]), task=link)
        place = (
            _("next in the queue")
            if waiting.position == 1
            else _("number {n} in the queue").format(n=f"{waiting.position:,}")
        )
        return format_html("{} · {}", reason, place)

    @property
    def cancelling(self) -> str:
        """Since when its end is awaited, and who asked; "" where nobody waits."""
        asked_at = self.task.cancel_requested_at
        if asked_at is None or self.task.has_ended:
            return ""
        sentence = (
            _("Forced; cancelling since {time} ({duration}), asked by {name}")
            if self.task.cancel_forced
            else _("Cancelling since {time} ({duration}), asked by {name}")
        )
        who = self.task.cancel_requested_by
        return sentence.format(name=who, **self._since(asked_at))

    @property
    def stalled(self) -> str:
        """Since when its step has been silent for too long; "" where it has not."""
        since = self.task.stalled_since
        if since is None or self.task.has_ended:
            return ""
        return _("Silent since {time} ({duration})").format(**self._since(since))

    def _since(self, moment: datetime) -> dict[str, str]:
        # From 1 on, as for the duration of a task that runs.
        seconds = max(1, int((self.now - moment).total_seconds()))
        return {"time": f"{moment:%H:%M:%S}", "duration": duration_text(seconds)}


def _status_of_step(number: int, current: int) -> str:
    if number < current:
        return Task.Status.COMPLETED
    return Task.Status.RUNNING if number == current else Task.Status.PENDING


def _rows_of_results(results: list[dict[str, Any]], task_status: str) -> list[StepRow]:
    """One row for each attempt: a step that was tried again has several results."""
    attempts = [*map(_attempt, results), 1]
    rows = []
    for entry, attempt, following in zip(results, attempts, attempts[1:], strict=False):
        was_only_one = attempt == 1 and following == 1
        rows.append(_step_row(entry, task_status, 0 if was_only_one else attempt))
    return rows


def _attempt(entry: dict[str, Any]) -> int:
    return int(entry.get("attempt", 1))


def _step_row(entry: dict[str, Any], task_status: str, attempt: int) -> StepRow:
    code, milliseconds = entry.get("exitCode"), entry.get("durationMs")
    is_cancelled = task_status == Task.Status.CANCELLED
    unclean = Task.Status.CANCELLED if is_cancelled else Task.Status.FAILED
    return StepRow(
        name=_(str(entry.get("name", ""))),
        status=Task.Status.COMPLETED if code == 0 else unclean,
        exit_code=code,
        duration="" if milliseconds is None else duration_text(milliseconds / 1000),
        attempt=attempt,
    )
