"""A task and a line as API.md shows them: the one shape that the REST answers, the
stream and the commands' ``--json`` share."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypedDict

from tasks.catalog import catalog
from tasks.models import Task

NEWEST_LINES = 10  # how many lines a task carries in "logs"


class LineJson(TypedDict):
    seq: int
    timestamp: str
    level: str
    message: str


def iso(moment: datetime | None) -> str | None:
    """UTC, ISO 8601 with milliseconds: ``2025-11-26T10:30:01.234Z``."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def iso_of_ms(at_ms: int) -> str:
    """The same, from milliseconds since 1970."""
    return str(iso(datetime.fromtimestamp(at_ms / 1000, UTC)))


def describe(
    task: Task, base_url: str, logs: Iterable[LineJson] = (), stream_query: str = ""
) -> dict[str, Any]:
    """A task as programs see it. ``base_url`` has no slash at its end.

    ``logs``: the newest few lines; in the stream they stay away, because there every
    line is an event of its own.
    """
    kind = catalog().get(task.type)
    return {
        "id": str(task.pk),
        "type": task.type,
        "params": kind.without_secrets(task.params) if kind else task.params,
        "status": task.status,
        "progress": task.progress,
        "step": {
            "index": task.step_index,
            "count": task.step_count,
            "name": task.step_name,
        },
        "createdAt": iso(task.created_at),
        "startedAt": iso(task.started_at),
        "completedAt": iso(task.completed_at),
        "createdBy": task.created_by,
        "cancelRequestedAt": iso(task.cancel_requested_at),
        "rerunOf": str(task.rerun_of_id) if task.rerun_of_id else None,
        "result": task.result,
        "error": task.error,
        "logCount": task.last_seq,
        "logs": list(logs),
        "statusUrl": f"{base_url}/api/tasks/{task.pk}/status",
        "streamUrl": f"{base_url}/api/tasks/{task.pk}/stream{stream_query}",
    }
