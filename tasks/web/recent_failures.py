"""What failed within a day, as sentences, until somebody ran it again with success."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from tasks.models import Task
from tasks.presenters.task import Shown

WITHIN = timedelta(days=1)
MOST_FAILURES = 5
LOOKED_AT = 30  # of the newest failed tasks


@dataclass(frozen=True)
class Failure:
    """One task that failed."""

    shown: Shown
    is_mended: bool  # a later run of the same type and version completed


def recent_failures(now: datetime) -> list[Failure]:
    """Return the failures of the last day, the newest first and those that nobody has
    mended before those that somebody has; MOST_FAILURES of them."""
    failed = Task.objects.filter(status=Task.Status.FAILED).newest_first()
    light = failed.defer("result", "trail")[:LOOKED_AT]
    fresh = [t for t in light if t.completed_at and t.completed_at > now - WITHIN]
    mended = _last_success(fresh)
    failures = [
        Failure(
            Shown(task, now), task.number < mended.get((task.type, task.version), 0)
        )
        for task in fresh
    ]
    failures.sort(key=lambda failure: failure.is_mended)
    return failures[:MOST_FAILURES]


def _last_success(failed: list[Task]) -> dict[tuple[str, str], int]:
    """Return the number of the newest completed run of each type and version."""
    wanted = {(task.type, task.version) for task in failed}
    if not wanted:
        return {}
    like_them = Q()
    for kind, version in wanted:
        like_them |= Q(type=kind, version=version)
    since = min(task.number for task in failed)
    done = Task.objects.filter(
        like_them, status=Task.Status.COMPLETED, number__gt=since
    )
    rows = done.order_by("number").values_list("type", "version", "number")
    return {(kind, version): number for kind, version, number in rows}
