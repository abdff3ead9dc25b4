"""What is live where, for people."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from resources.releases.current import all_platforms
from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.models import Task
from tasks.presenters.links import deep_link
from tasks.presenters.names import name_of
from tasks.presenters.wording import ago_text
from tasks.releases import releases_within

# The page does not wait for a store that is slow: what it says comes a little later.
PATIENCE_SECONDS = 0.3
ROLLBACK = "rollback"  # the built-in type


@dataclass(frozen=True)
class LiveRow:
    """One platform."""

    name: str  # of the platform, as commands take it
    platform: str  # as people read it
    version: str | None
    previous: str | None
    since: datetime | None
    ago: str
    task: Task | None
    error: str
    roll_back: str  # where that is started; "" where they may not, or there is nothing

    @property
    def task_name(self) -> str:
        return name_of(self.task) if self.task else ""


def title_of(platform: str) -> str:
    return all_platforms().get(platform, platform)


def live_rows(actor: Actor) -> list[LiveRow]:
    """Return what is live, and of each platform the way back that they may take."""
    now = timezone.now()
    releases = releases_within(PATIENCE_SECONDS)
    tasks = _tasks(releases)
    return [_row(release, tasks, now, actor) for release in releases]


def _row(
    release: dict[str, Any],
    tasks: dict[uuid.UUID, Task],
    now: datetime,
    actor: Actor,
) -> LiveRow:
    since = _moment(release["since"])
    task_id = _uuid(release["taskId"])
    return LiveRow(
        release["platform"],
        title_of(release["platform"]),
        release["version"],
        release["previous"],
        since,
        ago_text(since, now) if since else "",
        tasks.get(task_id) if task_id else None,
        release.get("error", ""),
        _roll_back(release, actor),
    )


def _roll_back(release: dict[str, Any], actor: Actor) -> str:
    """Return the form that rolls a platform back, filled in: it asks once more."""
    kind = catalog().get(ROLLBACK)
    previous = release["previous"]
    if kind is None or not previous or not actor.may_start(kind):
        return ""
    return deep_link(ROLLBACK, {"version": previous, "platforms": release["platform"]})


def _tasks(releases: list[dict[str, Any]]) -> dict[uuid.UUID, Task]:
    """Those that published them, where they are still kept."""
    ids = {task_id for r in releases if (task_id := _uuid(r["taskId"]))}
    return Task.objects.only("type", "version", "created_by").in_bulk(ids)


def _moment(text: str | None) -> datetime | None:
    try:
        return parse_datetime(text) if text else None
    except ValueError:
        return None


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
