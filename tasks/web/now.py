"""What runs and what waits: how far it is, how long it will take, what it waits for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.catalog.loader import catalog
from tasks.estimates import usual_seconds
from tasks.models import Task
from tasks.presenters.task import Shown, said_waiting
from tasks.presenters.wording import duration_text
from tasks.waiting import waiting_for_all

MOST_RUNNING, MOST_WAITING = 100, 50  # rows; what is beyond is counted


@dataclass(frozen=True)
class NowRow:
    """One task that runs or waits."""

    shown: Shown
    why: str = ""  # it waits, as HTML

    @property
    def task(self) -> Task:
        return self.shown.task

    @property
    def elapsed_seconds(self) -> int:
        begun = self.task.started_at or self.task.created_at
        return max(0, int((self.shown.now - begun).total_seconds()))

    @property
    def elapsed(self) -> str:
        return duration_text(max(1, self.elapsed_seconds))

    @property
    def left(self) -> str:
        """Return how long it will still take, by past runs; "" where nothing is
        known."""
        if self.shown.usual is None:
            return ""
        usual = duration_text(round(self.shown.usual) or self.shown.usual)
        left = round(self.shown.usual) - self.elapsed_seconds
        if left > 0:
            return _("about {time} left").format(time=duration_text(left))
        return _("usually {time}").format(time=usual)


def now_parts() -> dict[str, Any]:
    now = timezone.now()
    light = Task.objects.defer("result", "trail")
    running = list(light.running().order_by("started_at", "id")[:MOST_RUNNING])
    queue = light.pending().order_by("number", "id")
    waiting = list(queue[: MOST_WAITING + 1])
    beyond = queue.count() - MOST_WAITING if len(waiting) > MOST_WAITING else 0
    del waiting[MOST_WAITING:]
    why = waiting_for_all(waiting)
    usual = usual_seconds(task.type for task in running)
    return {
        "running": [
            NowRow(_shown(task, now, usual.get(task.type))) for task in running
        ],
        "waiting": [
            NowRow(_shown(task, now, None), said_waiting(why[task.pk]))
            for task in waiting
        ],
        "beyond": beyond,
        "now": now,
        "step_names": _step_names(),
    }


def _shown(task: Task, now: datetime, usual: float | None) -> Shown:
    """A task with the usual time of its type, which is asked for all at once."""
    shown = Shown(task, now)
    shown.usual = usual
    return shown


def _step_names() -> dict[str, str]:
    """Return how steps' names read in the page's language, where that is another."""
    names = {
        step.name: kind.local(step.name)
        for kind in catalog().values()
        for step in kind.steps
    }
    return {name: local for name, local in names.items() if local != name}
