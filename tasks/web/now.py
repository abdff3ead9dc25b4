"""What runs and what waits: how far it is, how long it will take, what it waits for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext as _

from tasks.catalog.loader import catalog
from tasks.estimates import Usual, usual_times
from tasks.models import Task
from tasks.presenters.approvals.card import said_awaited, worked_seconds
from tasks.presenters.queue.waits import said_cause, said_place, said_waiting
from tasks.presenters.task import Shown
from tasks.presenters.wording import duration_text, usual_text
from tasks.waiting import WaitingFor, waiting_for_all

MOST_RUNNING, MOST_WAITING = 100, 50  # rows; what is beyond is counted
OPEN_ROWS = 3  # so many that wait for one thing are shown without being asked for
FULL_SCALE = 1.15  # of a lane, beside the slowest of the usual runs


@dataclass(frozen=True)
class NowRow:
    """One task that runs or waits."""

    shown: Shown
    usual: Usual | None = None
    why: str = ""  # it waits, as HTML

    @property
    def task(self) -> Task:
        return self.shown.task

    @property
    def elapsed_seconds(self) -> int:
        task, now = self.task, self.shown.now
        if task.status in Task.WAITING:
            return max(0, int((now - self.shown.waits_since).total_seconds()))
        return max(0, int(worked_seconds(task, now)))

    @property
    def elapsed(self) -> str:
        return duration_text(max(1, self.elapsed_seconds))

    @property
    def lane(self) -> "Lane | None":
        return Lane(self.usual) if self.usual and self.task.started_at else None


@dataclass(frozen=True)
class Lane:
    """The time that a task takes, drawn over that of its type's newest runs; all
    numbers but ``scale`` are percent of its width."""

    usual: Usual

    @property
    def scale(self) -> float:
        """Return how many seconds its whole width is."""
        return max(1.0, self.usual.slow * FULL_SCALE)

    @property
    def band_from(self) -> str:
        return self._percent(self.usual.fast)

    @property
    def band_width(self) -> str:
        return self._percent(self.usual.slow - self.usual.fast)

    @property
    def median(self) -> str:
        return self._percent(self.usual.median)

    @property
    def words(self) -> str:
        return usual_text(self.usual)

    def _percent(self, seconds: float) -> str:
        return f"{100 * seconds / self.scale:.2f}%"


@dataclass(frozen=True)
class QueueGroup:
    """Tasks that wait for the same thing, in their order."""

    key: str
    cause: str  # as HTML
    rows: list[NowRow]
    count: int

    @property
    def is_one(self) -> bool:
        return self.count == 1

    @property
    def is_open(self) -> bool:
        return self.count <= OPEN_ROWS


def now_parts() -> dict[str, Any]:
    now = timezone.now()
    light = Task.objects.defer("result", "trail")
    blocked = light.blocked().prefetch_related("approvals")
    awaiting = list(blocked.order_by("number", "id")[:MOST_RUNNING])
    running = list(light.running().order_by("started_at", "id")[:MOST_RUNNING])
    queue = light.pending().order_by("number", "id")
    waiting = list(queue[: MOST_WAITING + 1])
    queued = queue.count() if len(waiting) > MOST_WAITING else len(waiting)
    del waiting[MOST_WAITING:]
    usual = usual_times(task.type for task in running)
    return {
        "awaiting": [_row(task, now, None, said_awaited(task)) for task in awaiting],
        "running": [_row(task, now, usual.get(task.type)) for task in running],
        "queue": _groups(waiting, running, usual, now),
        "beyond": queued - len(waiting),
        "now": now,
        "step_names": _step_names(),
    }


def _row(task: Task, now: datetime, usual: Usual | None, why: str = "") -> NowRow:
    """A task with the usual time of its type, which is asked for all at once."""
    shown = Shown(task, now)
    shown.usual = usual.median if usual else None
    return NowRow(shown, usual, why)


def _groups(
    waiting: list[Task],
    running: list[Task],
    usual: Mapping[str, Usual],
    now: datetime,
) -> list[QueueGroup]:
    """Return what waits, by what it waits for: a hundred tasks behind one lock are one
    thing to know."""
    why = waiting_for_all(waiting)
    members: dict[str, list[Task]] = {}
    for task in waiting:
        members.setdefault(_key(task, why[task.pk]), []).append(task)
    counts = _counts_by_lock(waiting) if len(waiting) == MOST_WAITING else {}
    rows = {row.pk: _row(row, now, usual.get(row.type)) for row in running}
    return [
        QueueGroup(
            key,
            _cause(why[tasks[0].pk], rows),
            _queued_rows(tasks, why, now),
            max(len(tasks), counts.get(tasks[0].lock, 0)),
        )
        for key, tasks in members.items()
    ]


def _queued_rows(
    tasks: list[Task], why: Mapping[Any, WaitingFor], now: datetime
) -> list[NowRow]:
    """Return the rows of a group: of several, what they wait for stands above them."""
    said = said_place if len(tasks) > 1 else said_waiting
    return [_row(task, now, None, said(why[task.pk])) for task in tasks]


def _key(task: Task, why: WaitingFor) -> str:
    by = {"lock": task.lock, "limit": task.type}.get(why.reason)
    return f"{why.reason} {by}" if by else why.reason


def _counts_by_lock(waiting: Iterable[Task]) -> Counter[str | None]:
    """Return how many wait for each of these locks, those beyond the page too."""
    locks = {task.lock for task in waiting if task.lock}
    queue = Task.objects.pending().filter(lock__in=locks).order_by()
    return Counter(queue.values_list("lock", flat=True))


def _cause(why: WaitingFor, running: Mapping[Any, NowRow]) -> str:
    """Return what a group waits for, with how far that is where it is a task."""
    holder = running.get(why.task_id)
    if holder is None:
        return said_cause(why)
    facts = filter(None, [said_cause(why), _step_of(holder), holder.shown.time_left])
    return format_html_join(" · ", "{}", ((fact,) for fact in facts))


def _step_of(row: NowRow) -> str:
    task = row.task
    if task.step_count < 2 or not task.step_index:
        return ""
    text = _("step {k} of {n}")
    return text.format(k=task.step_index, n=task.step_count)


def _step_names() -> dict[str, str]:
    """Return how steps' names read in the page's language, where that is another."""
    names = {
        step.name: kind.local(step.name)
        for kind in catalog().values()
        for step in kind.steps
    }
    return {name: local for name, local in names.items() if local != name}
