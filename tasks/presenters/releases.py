"""What is live where, for people."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from resources.releases.current import all_platforms
from tasks.models import Task
from tasks.presenters.wording import ago_text
from tasks.releases import releases_within

# The page does not wait for a store that is slow: what it says comes a little later.
PATIENCE_SECONDS = 0.3


@dataclass(frozen=True)
class LiveRow:
    """One platform."""

    platform: str
    version: str | None
    previous: str | None
    since: datetime | None
    ago: str
    task: Task | None
    error: str


def title_of(platform: str) -> str:
    return all_platforms().get(platform, platform)


def is_platform(name: str) -> bool:
    return name in all_platforms()


def live_rows() -> list[LiveRow]:
    now = timezone.now()
    releases = releases_within(PATIENCE_SECONDS)
    tasks = _tasks(releases)
    return [_row(release, tasks, now) for release in releases]


def _row(
    release: dict[str, Any], tasks: dict[uuid.UUID, Task], now: datetime
) -> LiveRow:
    since = _moment(release["since"])
    task_id = _uuid(release["taskId"])
    return LiveRow(
        title_of(release["platform"]),
        release["version"],
        release["previous"],
        since,
        ago_text(since, now) if since else "",
        tasks.get(task_id) if task_id else None,
        release.get("error", ""),
    )


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
