"""A task and a line as API.md shows them: the one shape that the REST answers, the
stream and the commands' ``--json`` share."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from tasks.approvals.representation import describe_approval
from tasks.catalog.loader import catalog
from tasks.logs.store import LineJson
from tasks.models import Task, schedule_id_of
from tasks.secrets.masking import MASK
from tasks.timestamps import iso
from tasks.waiting import WaitingFor, waiting_for_all

NEWEST_LINES = 10  # how many lines a task carries in "logs"


class WaitingJson(TypedDict):
    reason: str
    position: int
    taskId: str | None
    message: str


def describe(
    task: Task,
    logs: Iterable[LineJson] = (),
    waiting: Mapping[uuid.UUID, WaitingFor] | None = None,
) -> dict[str, Any]:
    """A task as programs see it, without URLs: whoever watches it has them.

    ``logs``: the newest few lines; in the stream they stay away, because there every
    line is an event of its own. ``waiting``: what ``waiting_for_all`` said of several
    tasks; without it, it is asked of this one. Whoever tells of one task alone adds
    what ``summary_of()`` returns.
    """
    if waiting is None:
        waiting = waiting_for_all([task])
    return {
        "id": str(task.pk),
        "type": task.type,
        "params": shown_params(task),
        "status": task.status,
        "waitingFor": _waiting(waiting.get(task.pk)),
        "approval": describe_approval(task),
        "approvalMs": task.approval_ms,
        "attempt": task.attempt,
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
        "scheduleId": str(schedule_id)
        if (schedule_id := schedule_id_of(task))
        else None,
        "stalledSince": iso(task.stalled_since),
        "cancelRequestedAt": iso(task.cancel_requested_at),
        "cancelRequestedBy": task.cancel_requested_by or None,
        "cancelForced": task.cancel_forced,
        "pinned": task.pinned,
        "rerunOf": str(task.rerun_of_id) if task.rerun_of_id else None,
        "result": task.result,
        "summary": None,
        "summaryBytes": task.summary_bytes or 0,
        "error": task.error,
        "errorCode": task.error_reason and task.error_reason["code"],
        "errorParams": task.error_reason and task.error_reason["params"],
        "logCount": task.last_seq,
        "logs": list(logs),
    }


def summary_of(task: Task) -> str | None:
    """Return the Markdown that a task's steps wrote, read where there is any."""
    return task.summary if task.summary_bytes else None


def urls_of(task: Task, base_url: str = "", stream_query: str = "") -> dict[str, str]:
    """Return where a task is to be asked and watched. ``base_url`` has no slash at its
    end; without it the paths are given."""
    path = f"{base_url}/api/tasks/{task.pk}"
    return {"statusUrl": f"{path}/status", "streamUrl": f"{path}/stream{stream_query}"}


def shown_params(task: Task) -> dict[str, str]:
    """Return the parameters without secrets. Of a task from before, whose type is not
    in the file any more, nobody knows which are secret, so all of them are."""
    if task.definition_id is not None:
        return dict(task.params)
    kind = catalog().get(task.type)
    return (
        kind.without_secrets(task.params) if kind else dict.fromkeys(task.params, MASK)
    )


def _waiting(found: WaitingFor | None) -> WaitingJson | None:
    if found is None:
        return None
    return {
        "reason": found.reason,
        "position": found.position,
        "taskId": str(found.task_id) if found.task_id else None,
        "message": found.message,
    }
