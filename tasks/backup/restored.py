"""What a restored database is told before anybody may use it: in the same transaction,
so that there is no moment in which what was old starts again by itself."""

import json
from typing import Any

from tasks.access.actor import Actor
from tasks.backup.tables import what_is_in
from tasks.models import LONGEST_REASON, AuditEvent

PAUSE = (
    "Restored from a backup of {}. What waits here may have run since: look, then "
    "resume the queue."
)


def statements(manifest: dict[str, Any], actor: Actor, lost: str) -> list[str]:
    """Return the SQL, of SQLite and PostgreSQL alike. ``lost``: in words, what the
    database had before."""
    reason = PAUSE.format(manifest["madeAt"])[:LONGEST_REASON]
    details = {
        "madeAt": manifest["madeAt"],
        "version": manifest["version"],
        "restored": what_is_in(manifest["database"]["rows"]),
        "replaced": lost,
    }
    who, act = text(actor.name[:200]), text(AuditEvent.Action.RESTORED)
    return [
        # Whoever was signed in then need not be somebody who still may be.
        "DELETE FROM django_session",
        # None of these runs these tasks here: the next runner ends or requeues them,
        # and says so (tasks.reaper).
        "UPDATE tasks_runner SET stopped_at = heartbeat_at WHERE stopped_at IS NULL",
        "INSERT INTO tasks_queuepause (type, reason, paused_by) "  # noqa: S608 (quoted)
        f"VALUES ('', {text(reason)}, {who}) ON CONFLICT (type) DO NOTHING",
        "INSERT INTO tasks_auditevent (actor, action, target, details) "  # noqa: S608 (quoted)
        f"VALUES ({who}, {act}, 'database', {text(json.dumps(details))})",
    ]


def text(value: str) -> str:
    """Return a text as a literal of SQL's standard."""
    return "'" + value.replace("\0", "").replace("'", "''") + "'"
