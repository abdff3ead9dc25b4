"""What runs and what waits: how far it is, how long it will take, what it waits for."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.catalog import catalog
from tasks.durations import usual_seconds
from tasks.models import Task
from tasks.pages.shown import Shown, said_waiting
from tasks.pages.wording import duration_text
from tasks.waiting import waiting_for_all

MOST_RUNNING, MOST_WAITING = 100, 50  # rows; what is beyond is counted


@dataclass(frozen=True)
class NowRow:
    """One task that runs or waits."""

    shown: Shown
    why: str = ""  # it waits, as HTML
    usual_seconds: float | None = None  # of its type, where that is known

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
        """How long it will still take, by past runs; "" where nothing is known."""
        if self.usual_seconds is None:
            return ""
        usual = duration_text(round(self.usual_seconds) or self.usual_seconds)
        left = round(self.usual_seconds) - self.elapsed_seconds
        if left > 0:
            return _("about {time} left").format(time=duration_text(left))
        return _("usually {time}").format(time=usual)


def now_parts() -> dict[str, Any]:
    now = timezone.now()
    light = Task.objects.defer("result", "trail")
    running = list(light.running().order_by("started_at", "id")[:MOST_RUNNING])
    queue = light.pending().order_by("created_at", "id")
    waiting = list(queue[: MOST_WAITING + 1])
    beyond = queue.count() - MOST_WAITING if len(waiting) > MOST_WAITING else 0
    del waiting[MOST_WAITING:]
    why = waiting_for_all(waiting)
    usual = usual_seconds(task.type for task in running)
    return {
        "running": [
            NowRow(Shown(task, now), usual_seconds=usual.get(task.type))
            for task in running
        ],
        "waiting": [
            NowRow(Shown(task, now), said_waiting(why[task.pk])) for task in waiting
        ],
        "beyond": beyond,
        "step_names": _step_names(),
    }


def _step_names() -> dict[str, str]:
    """How steps' names read in the page's language, where that is another."""
    names = {step.name for kind in catalog().values() for step in kind.steps}
    return {name: said for name in names if (said := _(name)) != name}
