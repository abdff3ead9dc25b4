"""The steps of a task in their order: what ran, what runs, what is to come, each with
its place on the time that they take together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.utils.translation import gettext as _

from tasks.approvals.ending import is_in_lull
from tasks.catalog.task_type import TaskType
from tasks.estimates import Usual
from tasks.logs import store as log_store
from tasks.models import Approval, Task, step_starts
from tasks.presenters.exit_codes import words_of_exit
from tasks.presenters.wording import SHAPES, duration_text, usual_text

LEAST_PERCENT = 1.0  # of a bar: what took no time is seen as well
LEAST_SLOWER_SECONDS = 1.0  # than the slowest usual run; less is of no concern


@dataclass(frozen=True)
class Bar:
    """When a step ran, in percent of the time that is drawn; as SVG takes them."""

    begin: str
    width: str


@dataclass(frozen=True)
class Band:
    """When a step usually ends, had it begun when it did: from the fastest to the
    slowest of its type's newest runs."""

    bar: Bar
    median: str


@dataclass(frozen=True)
class StepRow:
    """One step, or one attempt of a step."""

    name: str
    status: str  # a task's status, or "" for a step that never ran
    exit_code: int | None = None
    duration: str = ""
    attempt: int = 0  # 1, 2 … where the step was tried more than once
    line: int | None = None  # where the log says that it begins
    since_ms: int | None = None  # of a step that runs: since 1970
    progress: int | None = None  # of a step that runs: percent
    number: int | None = None  # 1, 2 … of a task that has not ended
    may_fail: bool = False  # and the task goes on: until its end nobody knows
    weight: float = 1.0  # of the task's progress
    seconds: float | None = None  # that it took; of a step that runs, so far
    bar: Bar | None = None
    usual: Usual | None = None  # where it ran often enough
    band: Band | None = None
    is_taken: bool = False  # over from the task that this one is a rerun of
    approved_by: str = ""

    @property
    def attempt_label(self) -> str:
        return _("attempt %(n)s") % {"n": self.attempt} if self.attempt else ""

    @property
    def slower(self) -> str:
        """Return by how much it is slower than usual, where it is slower than nearly
        all runs were; "" where it is not. task_facts.js says the same."""
        if self.usual is None or self.seconds is None or not self.usual.median:
            return ""
        if self.seconds < self.usual.slow + LEAST_SLOWER_SECONDS:
            return ""
        percent = round(100 * (self.seconds / self.usual.median - 1))
        return _("{share} slower than usual").format(share=f"{percent:,} %")

    @property
    def usual_words(self) -> str:
        return usual_text(self.usual) if self.usual else ""

    @property
    def exit_label(self) -> str:
        """Its exit code, where it says more than that all went well."""
        return _("exit code %(n)s") % {"n": self.exit_code} if self.exit_code else ""

    @property
    def exit_words(self) -> str:
        return words_of_exit(self.exit_code or 0)

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.status)] if self.status else "–"

    @property
    def label(self) -> str:
        if self.status:
            return str(Task.Status(self.status).label)
        return _("finished") if self.number else _("not run")


def rows_of(task: Task, kind: TaskType | None, now: datetime) -> list[StepRow]:
    """Return a row for each step, and for each attempt of one that was tried again."""
    local = kind.local if kind else str
    names = [local(step.name) for step in kind.steps] if kind else []
    if not task.has_ended:
        return _rows_of_running(task, kind, names, now)
    results = [
        {**entry, "name": local(str(entry.get("name", "")))}
        for entry in (task.result or {}).get("results", [])
    ]
    begun = sum(_attempt(entry) == 1 for entry in results)
    return [
        *_rows_of_results(results, task.status, _first_lines(task.trail)),
        *(StepRow(name, "") for name in names[begun:]),
    ]


def with_bars(
    rows: Sequence[StepRow],
    usual: float | None = None,
    of_steps: Mapping[str, Usual] | None = None,
) -> list[StepRow]:
    """Draw when each of these ran, over when it usually ends, ``of_steps``; and all on
    the time that such tasks usually take, where that is not over."""
    rows = [replace(row, usual=(of_steps or {}).get(row.name)) for row in rows]
    begins = [0.0, *accumulate(row.seconds or 0 for row in rows)]
    ends = [
        begin + row.usual.slow
        for row, begin in zip(rows, begins, strict=False)
        if row.usual and row.seconds is not None
    ]
    total = max(begins[-1], usual or 0, *ends)
    return [_drawn(row, begin, total) for row, begin in zip(rows, begins, strict=False)]


def _drawn(row: StepRow, begin: float, total: float) -> StepRow:
    if row.seconds is None:
        return row
    band = _band(begin, row.usual, total) if row.usual else None
    return replace(row, bar=_bar(begin, row.seconds, total), band=band)


def _band(begin: float, usual: Usual, total: float) -> Band:
    bar = _bar(begin + usual.fast, usual.slow - usual.fast, total)
    share = 100 / total if total else 0
    return Band(bar, f"{min((begin + usual.median) * share, 100):.2f}%")


def _bar(begin: float, seconds: float, total: float) -> Bar:
    share = 100 / total if total else 0
    width = max(LEAST_PERCENT, seconds * share)
    return Bar(f"{min(begin * share, 100 - width):.2f}%", f"{width:.2f}%")


def _rows_of_running(
    task: Task, kind: TaskType | None, names: Sequence[str], now: datetime
) -> list[StepRow]:
    has_begun = task.status == Task.Status.RUNNING or is_in_lull(task)
    lines = _newest_lines(task.trail) if has_begun else {}
    starts = log_store.times(task.pk, lines.values())
    begun = {number: starts[seq] for number, seq in lines.items() if seq in starts}
    return [
        _row_of_running(task, kind, name, number, begun, lines, now)
        for number, name in enumerate(names, 1)
    ]


def _row_of_running(
    task: Task,
    kind: TaskType | None,
    name: str,
    number: int,
    begun: Mapping[int, int],
    lines: Mapping[int, int],
    now: datetime,
) -> StepRow:
    is_now = number == task.step_index
    since_ms = begun.get(number)
    until_ms = int(now.timestamp() * 1000) if is_now else begun.get(number + 1)
    steps = kind.steps if kind else ()
    step = steps[number - 1] if number <= len(steps) else None
    if step is not None and step.approval is not None:
        since_ms = None  # to wait for people is no work
    is_known = since_ms is not None and until_ms is not None
    seconds = (until_ms - since_ms) / 1000 if is_known else None  # type: ignore[operator]
    if is_now and seconds is not None:
        seconds = max(1, int(seconds))  # a clock that runs says no tenths
    may_fail = step is not None and step.continue_on_error
    status = _status_of_step(number, task)
    is_over = status == Task.Status.COMPLETED
    return StepRow(
        name,
        "" if is_over and may_fail else status,
        exit_code=0 if is_over and not may_fail else None,
        number=number,
        may_fail=may_fail,
        weight=step.weight if step else 1.0,
        duration="" if seconds is None else duration_text(seconds),
        seconds=seconds,
        line=lines.get(number) if number in begun else None,
        since_ms=since_ms if is_now else None,
        progress=_step_progress(task, kind) if is_now else None,
        approved_by=_approvers(task).get(number, "") if step and step.approval else "",
    )


def _approvers(task: Task) -> dict[int, str]:
    """Return who approved which step."""
    given = task.approvals.filter(decision=Approval.Decision.APPROVED)
    return dict(given.values_list("step_index", "decided_by"))


def _first_lines(trail: Sequence[Sequence[Any]]) -> dict[tuple[int, int], int]:
    """For each attempt of a step that has begun, (number, attempt), the number of its
    first line. A task that went back to the queue began anew."""
    lines: dict[tuple[int, int], int] = {}
    last = attempt = 0
    for number, seq in step_starts(trail):
        if number < last:
            lines.clear()
        attempt = attempt + 1 if number == last else 1
        lines[number, attempt] = seq
        last = number
    return lines


def _newest_lines(trail: Sequence[Sequence[Any]]) -> dict[int, int]:
    """The same of each step's newest attempt alone."""
    return {number: seq for (number, _), seq in _first_lines(trail).items()}


def _step_progress(task: Task, kind: TaskType | None) -> int | None:
    """Return what the running step has said of its progress: the task's, without what
    the steps before it weigh."""
    if kind is None or not 1 <= task.step_index <= len(kind.steps):
        return None
    weights = [step.weight for step in kind.steps]
    if not weights[task.step_index - 1]:
        return None
    done = sum(weights[: task.step_index - 1])
    percent = task.progress / 100 * sum(weights) - done
    return max(0, min(99, round(100 * percent / weights[task.step_index - 1])))


def _status_of_step(number: int, task: Task) -> str:
    current = task.step_index
    if number != current:
        is_over = number < current
        return Task.Status.COMPLETED if is_over else Task.Status.PENDING
    if task.status == Task.Status.BLOCKED:
        return Task.Status.BLOCKED
    # Approved, and not yet running again.
    return Task.Status.COMPLETED if is_in_lull(task) else Task.Status.RUNNING


def _rows_of_results(
    results: list[dict[str, Any]],
    task_status: str,
    lines: Mapping[tuple[int, int], int],
) -> list[StepRow]:
    """One row for each attempt: a step that was tried again has several results."""
    attempts = [*map(_attempt, results), 1]
    rows, number = [], 0
    for entry, attempt, following in zip(results, attempts, attempts[1:], strict=False):
        was_only_one = attempt == 1 and following == 1
        number += attempt == 1
        line = lines.get((number, attempt))
        row = _step_row(entry, task_status, 0 if was_only_one else attempt, line)
        rows.append(row)
    return rows


def _attempt(entry: dict[str, Any]) -> int:
    return int(entry.get("attempt", 1))


def _step_row(
    entry: dict[str, Any], task_status: str, attempt: int, line: int | None
) -> StepRow:
    code, milliseconds = entry.get("exitCode"), entry.get("durationMs")
    is_cancelled = task_status == Task.Status.CANCELLED
    unclean = Task.Status.CANCELLED if is_cancelled else Task.Status.FAILED
    return StepRow(
        name=entry["name"],
        status=Task.Status.COMPLETED if code == 0 else unclean,
        exit_code=code,
        duration="" if milliseconds is None else duration_text(milliseconds / 1000),
        seconds=None if milliseconds is None else milliseconds / 1000,
        attempt=attempt,
        line=line,
        is_taken="takenFrom" in entry,
        approved_by=entry.get("approval", {}).get("decidedBy", ""),
    )
