"""What the product remembers: tasks, their lines, runners, keys, who did what.

Rules live here, in named querysets and in one table of allowed moves; everything
else (API, admin, runner, commands) asks these and translates.
"""

from tasks.models.api_key import ApiKey, parse_networks, parse_scopes
from tasks.models.approval import LONGEST_COMMENT, Approval
from tasks.models.audit import AuditEvent, AuditIsFinal
from tasks.models.definition import TaskDefinition
from tasks.models.freeze import LONGEST_REASON, Freeze
from tasks.models.hand_over_link import HandOverLink
from tasks.models.idempotency import IdempotencyKey
from tasks.models.identity import Identity
from tasks.models.ids import ids_beginning_with, task_id_of
from tasks.models.log_block import LogBlock
from tasks.models.pause import ALL_TYPES, QueuePause
from tasks.models.presence import Lines, Presence
from tasks.models.pruned_log import PrunedLog
from tasks.models.runner import (
    CRASH_MINUTES,
    HEARTBEAT_SECONDS,
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Runner,
)
from tasks.models.schedule import (
    FAILURES_TOLD,
    OF_SCHEDULE,
    Schedule,
    ScheduleRun,
    load_schedules,
    schedule_id_of,
)
from tasks.models.second_factor import RecoveryCode, SecondFactor
from tasks.models.sequences import next_ended, next_numbers
from tasks.models.task import (
    LogLine,
    StatusConflict,
    Task,
    TaskQuerySet,
)
from tasks.models.task_end import BOUNDS, TaskEnd, TaskTotal, task_totals
from tasks.models.trail import (
    TRAIL_COLUMNS,
    WATCHED,
    columns_after,
    moment,
    step_starts,
)
from tasks.models.webhook import (
    EVENTS,
    SOMEBODY_LISTENS,
    Event,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)

__all__ = [
    "ALL_TYPES",
    "BOUNDS",
    "CRASH_MINUTES",
    "EVENTS",
    "FAILURES_TOLD",
    "HEARTBEAT_SECONDS",
    "LEASE_SECONDS",
    "LONGEST_COMMENT",
    "LONGEST_REASON",
    "OF_SCHEDULE",
    "PATIENCE_SECONDS",
    "SOMEBODY_LISTENS",
    "TRAIL_COLUMNS",
    "WATCHED",
    "ApiKey",
    "Approval",
    "AuditEvent",
    "AuditIsFinal",
    "Event",
    "Freeze",
    "HandOverLink",
    "IdempotencyKey",
    "Identity",
    "Lines",
    "LogBlock",
    "LogLine",
    "Presence",
    "PrunedLog",
    "QueuePause",
    "RecoveryCode",
    "Runner",
    "Schedule",
    "ScheduleRun",
    "SecondFactor",
    "StatusConflict",
    "Task",
    "TaskDefinition",
    "TaskEnd",
    "TaskQuerySet",
    "TaskTotal",
    "Webhook",
    "WebhookDelivery",
    "WebhookEvent",
    "columns_after",
    "ids_beginning_with",
    "load_schedules",
    "moment",
    "next_ended",
    "next_numbers",
    "parse_networks",
    "parse_scopes",
    "schedule_id_of",
    "step_starts",
    "task_id_of",
    "task_totals",
]
