"""What the product remembers: tasks, their lines, runners, keys, who did what.

Rules live here, in named querysets and in one table of allowed moves; everything
else (API, admin, runner, commands) asks these and translates.
"""

from tasks.models.access import ApiKey, AuditEvent
from tasks.models.runner import HEARTBEAT_SECONDS, LEASE_SECONDS, Runner
from tasks.models.task import LogLine, StatusConflict, Task, TaskQuerySet

__all__ = [
    "HEARTBEAT_SECONDS",
    "LEASE_SECONDS",
    "ApiKey",
    "AuditEvent",
    "LogLine",
    "Runner",
    "StatusConflict",
    "Task",
    "TaskQuerySet",
]
