"""A task as the templates show it."""

import math
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from tasks.approvals.asking import so_far_of
from tasks.catalog.definitions import type_of
from tasks.estimates import (
    Run,
    past_runs,
    seconds_left,
    usual_seconds,
    usual_silences,
    usual_step_times,
)
from tasks.localized import localized
from tasks.logs.store import Row, newest_rows, rows_within
from tasks.models import LogLine, Task
from tasks.presenters.approvals.card import waits_since, worked_seconds
from tasks.presenters.failure import Failure, failure_of, own_words
from tasks.presenters.links import change_link
from tasks.presenters.names import name_of, person
from tasks.presenters.outputs import Outcome, outcome_of
from tasks.presenters.own_lines import own_lines
from tasks.presenters.params import titled_params
from tasks.presenters.queue.waits import said_waiting
from tasks.presenters.rerun_chain import Link, links_of
from tasks.presenters.steps import StepRow, rows_of, with_bars
from tasks.presenters.summary import html_of
from tasks.presenters.wording import (
    CANCELLING,
    CANCELLING_SHAPE,
    LEVEL_MARKS,
    SHAPES,
    ago_text,
    duration_text,
)
from tasks.reasons import Reason
from tasks.representation import shown_params, summary_of
from tasks.waiting import waiting_for

FIRST_BYTES = 512 * 1024
FIRST_LINES = 200  # rendered by the server; the script goes on from there
OPENING_BYTES = 128 * 1024


class Shown:
    """A task as the templates show it."""

    def __init__(self, task: Task, now: datetime) -> None:
        self.task, self.now = task, now
        self.kind = type_of(task)
        self.api = f"/api/tasks/{task.pk}"

    @property
    def is_cancelling(self) -> bool:
        task = self.task
        return task.status == Task.Status.RUNNING and bool(task.cancel_requested_at)

    @property
    def state(self) -> str:
        """Its status, or that it is on its way to its end."""
        return CANCELLING if self.is_cancelling else self.task.status

    @property
    def shape(self) -> str:
        if self.is_cancelling:
            return CANCELLING_SHAPE
        return SHAPES[Task.Status(self.task.status)]

    @property
    def label(self) -> str:
        """The state in a word."""
        return _("cancelling") if self.is_cancelling else self.task.get_status_display()

    @property
    def grace(self) -> float | None:
        """For how many seconds its processes may go on once its end was asked for;
        None where nobody knows."""
        return self.kind.stop_grace_seconds if self.kind else None

    @property
    def knows_progress(self) -> bool:
        """Return whether its percentage says anything: not before it has begun, nor
        where its one step has reported none."""
        task = self.task
        has_begun = task.started_at and task.status != Task.Status.PENDING
        return bool(has_begun) and (task.progress > 0 or task.step_count > 1)

    @property
    def against_usual(self) -> str:
        """Return how long it has run, beside how long such tasks usually take; "" where
        that is not known, or it does not run."""
        if self.usual is None or self.task.status != Task.Status.RUNNING:
            return ""
        usual = duration_text(max(1, round(self.usual)))
        return _("{time} of usually {usual}").format(time=self.duration, usual=usual)

    @property
    def title(self) -> str:
        return self.kind.local(self.kind.title) if self.kind else self.task.type

    @property
    def name(self) -> str:
        return name_of(self.task)

    def local(self, text: str) -> str:
        """Return a text of its type, such as a step's name, in the reader's
        language."""
        return self.kind.local(text) if self.kind else text

    @property
    def step_name(self) -> str:
        """Return the name of the step that runs."""
        return self.local(self.task.step_name)

    @property
    def ago(self) -> str:
        return ago_text(self.task.created_at, self.now)

    @property
    def ended_ago(self) -> str:
        ended = self.task.completed_at
        return ago_text(ended, self.now) if ended else ""

    @property
    def duration(self) -> str:
        """Return how long it ran, or runs already, or awaits an approval; "" while it
        waits in the queue."""
        if self.task.started_at is None:
            return ""
        end, seconds = self.task.completed_at, worked_seconds(self.task, self.now)
        if self.task.status in Task.WAITING:
            seconds = (self.now - self.waits_since).total_seconds()
        # Tenths of a clock that runs would say more than is known.
        return duration_text(seconds if end else max(1, int(seconds)))

    @property
    def error(self) -> str:
        """Return why it failed or was cancelled; "" where it was not."""
        return self._sentence(self.task.error_reason)

    @property
    def error_but_cause(self) -> str:
        """The same without the program's own words, where they stand beside it."""
        reason = self.task.error_reason
        if reason is None or not self.leads_with_cause:
            return self._sentence(reason)
        params = {k: v for k, v in reason["params"].items() if k != "reason"}
        return self._sentence({**reason, "params": params})

    def _sentence(self, reason: dict[str, Any] | None) -> str:
        stored = self.task.error or ""
        if reason is None:  # stored by release 1.0
            return stored
        params = reason.get("params", {})
        if "by" in params:
            reason = {**reason, "params": {**params, "by": person(params["by"])}}
        try:
            return localized(Reason.of(reason), self.local)
        except KeyError:  # of a later version
            return stored

    @property
    def has_failed(self) -> bool:
        return self.task.status == Task.Status.FAILED

    @cached_property
    def failure(self) -> Failure:
        return failure_of(self.task, self.now)

    @property
    def leads_with_cause(self) -> bool:
        """Return whether it failed by what its program said first, so that this is the
        headline."""
        return own_words(self.task.error_reason, self.failure.cause)

    @property
    def chat(self) -> dict[str, Any]:
        """What a message on its failure says; chat_message.js writes it."""
        return {
            "name": self.name,
            "shape": self.shape,
            "cause": self.failure.cause if self.leads_with_cause else "",
            "sentence": self.error_but_cause,
            "by": person(self.task.created_by),
            "line": self.failure.line,
        }

    @property
    def params(self) -> dict[str, str]:
        """Return what was asked, without secrets."""
        return shown_params(self.task)

    @property
    def titled_params(self) -> dict[str, str]:
        return titled_params(self.task, self.kind)

    @property
    def step_names(self) -> list[tuple[str, str]]:
        """Each step's name, and how it reads in the page's language."""
        steps = self.kind.steps if self.kind else ()
        return [(step.name, self.local(step.name)) for step in steps]

    @property
    def own_lines(self) -> list[tuple[str, str]]:
        return own_lines()

    @property
    def stand(self) -> str:
        """Return what the facts on a page depend on; task_facts.js says the same."""
        task = self.task
        how_far = f"{task.step_index} {task.attempt} {task.progress // 5}"
        return f"{task.status} {how_far} {task.summary_bytes or 0}"

    @property
    def steps(self) -> list[StepRow]:
        times = usual_step_times(self._past_runs)
        usual = {self.local(name): found for name, found in times.items()}
        return with_bars(rows_of(self.task, self.kind, self.now), self.usual, usual)

    @cached_property
    def _past_runs(self) -> list[Run]:
        """Return what the steps of tasks before this one came to."""
        return past_runs(self.task.type, but=self.task.pk)

    @cached_property
    def summary(self) -> str:
        """Return what its steps wrote of it for people, as HTML; "" where nothing."""
        markdown = summary_of(self.task)
        return html_of(markdown) if markdown else ""

    @property
    def outcome(self) -> Outcome:
        is_asked = self.task.status == Task.Status.BLOCKED
        return outcome_of(so_far_of(self.task) if is_asked else self.task.result)

    @property
    def waits_since(self) -> datetime:
        return waits_since(self.task)

    @property
    def chain(self) -> list[Link]:
        return links_of(self.task)

    @property
    def with_changes(self) -> str:
        """Return where the same can be started with other parameters; "" where it
        can't. Secrets are to be given anew."""
        return change_link(self.task)

    @property
    def is_changed_rerun(self) -> bool:
        """Return whether it is a rerun with other parameters than the first task
        had."""
        first = self.task.rerun_of
        return first is not None and first.params != self.task.params

    @cached_property
    def usual(self) -> float | None:
        """Return how many seconds tasks of this type usually take; None where nobody
        knows, and for one that has ended."""
        return (
            None
            if self.task.has_ended
            else usual_seconds([self.task.type]).get(self.task.type)
        )

    @property
    def silences(self) -> dict[str, float]:
        """For how many seconds each step is usually silent at most; none where nobody
        knows, and of a task that has ended."""
        return {} if self.task.has_ended else usual_silences(self._past_runs)

    @property
    def time_left(self) -> str:
        """Return how long it still takes, by what is usual, or that it takes longer;
        "" where nobody knows. static/js/gauge.js says the same."""
        if self.usual is None or self.task.started_at is None:
            return ""
        if self.task.status == Task.Status.BLOCKED:
            return ""
        elapsed = worked_seconds(self.task, self.now)
        left = seconds_left(elapsed, self.usual, self.task.progress)
        if left is None:
            usual = duration_text(max(1, round(self.usual)))
            return _("longer than usual ({time})").format(time=usual)
        return _("about {time} left").format(time=duration_text(max(1, round(left))))

    @property
    def levels(self) -> list[str]:
        """Of lines, as the API calls them; the page says them in its language."""
        return LogLine.Level.values

    @property
    def lines(self) -> list[LogLine]:
        """The newest lines, oldest first; of a task that went well the first ones, too,
        where its page opens."""
        task = self.task
        opening = self._opening()
        count = FIRST_LINES - len(opening)
        found = opening + newest_rows(task.pk, task.last_seq, count, FIRST_BYTES)
        return [
            LogLine(task_id=task.pk, seq=seq, at_ms=at_ms, level=level, message=message)
            for seq, at_ms, level, message in found
        ]

    def _opening(self) -> list[Row]:
        task = self.task
        if task.status != Task.Status.COMPLETED or task.last_seq <= FIRST_LINES:
            return []
        half = FIRST_LINES // 2
        return rows_within(OPENING_BYTES, task.pk, 0, None, half)[0]

    @property
    def marked_lines(self) -> list[tuple[LogLine, str]]:
        return [
            (line, LEVEL_MARKS.get(LogLine.Level(line.level), ""))
            for line in self.lines
        ]

    @property
    def why_waiting(self) -> str:
        """Return what this task waits for, as HTML; "" if it does not wait."""
        waiting = waiting_for(self.task)
        return said_waiting(waiting) if waiting else ""

    @property
    def cancelling(self) -> str:
        """Since when its end is awaited, who asked, and when it is killed; "" where
        nobody waits."""
        asked_at = self.task.cancel_requested_at
        if asked_at is None or self.task.has_ended:
            return ""
        forced = self.task.cancel_forced
        sentence = (
            _("Force-stopping ({duration}), requested by {name}")
            if forced
            else _("Cancelling ({duration}), requested by {name}")
        )
        who = person(self.task.cancel_requested_by)
        said = sentence.format(name=who, **self._since(asked_at))
        left = (self.grace or 0) - (self.now - asked_at).total_seconds()
        if forced or left <= 0:
            return said
        killed = _("killed in {time}").format(time=duration_text(math.ceil(left)))
        return f"{said} · {killed}"

    @property
    def stalled(self) -> str:
        """Since when its step has been silent for too long; "" where it has not."""
        since = self.task.stalled_since
        if since is None or self.task.has_ended:
            return ""
        return _("No output since {time} ({duration})").format(**self._since(since))

    def _since(self, moment: datetime) -> dict[str, str]:
        # From 1 on, as for the duration of a task that runs.
        seconds = max(1, int((self.now - moment).total_seconds()))
        return {"time": f"{moment:%H:%M:%S}", "duration": duration_text(seconds)}
