"""The trail of a task: its changes of step, progress and stall, in their order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

# What each change in a trail says.
TRAIL_COLUMNS = ("step_index", "step_name", "progress", "stalled_since")
# What is told of a task to whoever watches it, besides its lines.
WATCHED = (
    *("status", "attempt", "approvals_asked"),
    *("cancel_requested_at", "cancel_forced", "summary_bytes"),
    *TRAIL_COLUMNS,
)


def columns_after(change: Sequence[Any]) -> dict[str, Any]:
    """A task's columns, but for the lines, just after a change in its trail.

    A change is ``[seq, step_index, step_name, progress, stalled_since]``: behind
    which line it came, and how things are from there on. The last is in milliseconds
    since 1970, None while nothing is stalled; it may be missing. One that says the
    same as the one before it tells that the step is tried again.
    """
    _seq, step_index, step_name, progress, *stalled = change
    since_ms = stalled[0] if stalled else None
    stalled_since = None if since_ms is None else moment(since_ms)
    values = (step_index, step_name, progress, stalled_since)
    return dict(zip(TRAIL_COLUMNS, values, strict=True))


def step_starts(trail: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """Return the steps that began, in their order: (number, seq of its first line).

    A change begins a step where its number is another one than before, and where it
    says the same as the one before it: then the step is tried again.
    """
    starts: list[tuple[int, int]] = []
    before: Sequence[Any] = ()
    for seq, *change in trail:
        if change[:1] != before[:1] or change == before:
            starts.append((change[0], seq + 1))
        before = change
    return starts


def moment(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a time, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
