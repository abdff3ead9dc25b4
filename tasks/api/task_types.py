"""The types of tasks over HTTP: what can be started, and with what."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, base_url
from tasks.api.schema import described
from tasks.api.serializers import TaskTypesSerializer
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import Step, TaskType


class TaskTypesView(ApiView):
    @described(
        "Task types",
        "Each with the JSON Schema of its parameters; those that the pages don't offer "
        "(`hidden`), too.",
        operation_id="listTaskTypes",
        answers={200: TaskTypesSerializer},
    )
    def get(self, request: Request) -> Response:
        base = base_url(request)
        kinds = [_described_type(kind, base) for kind in catalog().values()]
        return Response({"taskTypes": kinds})


def _described_approval(kind: TaskType, step: Step) -> dict[str, Any]:
    """Return what a step says besides its name, where it asks for an approval."""
    if (wanted := step.approval) is None:
        return {}
    approval = {
        "by": list(wanted.by),
        "notSelf": wanted.not_self,
        "timeoutSeconds": wanted.timeout_seconds,
        "message": kind.local(wanted.message),
        "releaseLock": wanted.release_lock,
    }
    return {"approval": approval}


def _described_type(kind: TaskType, base: str) -> dict[str, Any]:
    return {
        "type": kind.name,
        "name": kind.name,
        "title": kind.local(kind.title),
        "description": kind.local(kind.description),
        "params": kind.schema(),
        "steps": [
            {"name": kind.local(step.name), **_described_approval(kind, step)}
            for step in kind.steps
        ],
        "timeoutSeconds": kind.timeout_seconds,
        "idempotent": kind.idempotent,
        "confirm": kind.confirm,
        "allow": list(kind.allow),
        "labels": list(kind.labels),
        "hidden": kind.hidden,
        "createUrl": f"{base}/api/tasks/{kind.name}",
    }
