"""What an export says beside the lines: the facts of a task, its steps, its result and
who did what to it, as tables of texts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from tasks.models import AuditEvent, Task
from tasks.presenters.export.pictures import pictured
from tasks.presenters.names import person
from tasks.presenters.task import Shown

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each its head; ``heads`` is empty where the columns
    need none."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[SafeString]]
    note: str = ""


def _table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], note: str = ""
) -> Table:
    cells = [[SafeString(pictured(_said(cell))) for cell in row] for row in rows]
    return Table(title, heads, cells, note)


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    return NOTHING if value is None or value == "" else str(value)


def moment_text(at: datetime) -> str:
    """``2025-11-26 10:30:01.234 UTC``."""
    text = at.astimezone(UTC).isoformat(" ", timespec="milliseconds")
    return f"{text.partition('+')[0]} UTC"


def tables(shown: Shown, *, with_trail: bool) -> list[Table]:
    """Return all that is known of a task but its lines, in the reader's language."""
    return [
        _facts(shown),
        _params(shown),
        _steps(shown),
        *_outcome(shown),
        _trail(shown.task, with_trail=with_trail),
    ]


def _facts(shown: Shown) -> Table:
    task = shown.task
    rows: list[tuple[str, object]] = [
        (_("Task"), shown.title),
        (_("Type"), task.type),
        (_("Version"), task.version),
        (_("Id"), task.pk),
        (_("Status"), f"{shown.shape} {shown.label}"),
        (_("Why"), shown.error),
        (_("Started by"), person(task.created_by)),
        (_("Address"), task.created_from),
        (_("Created"), task.created_at),
        (_("Started"), task.started_at),
        (_("Ended"), task.completed_at),
        (_("Duration"), shown.duration),
        (_("Runner"), task.runner and task.runner.name),
        (_("Attempt"), task.attempt if task.attempt > 1 else ""),
        (_("Rerun of"), task.rerun_of_id),
        (_("Cancel requested"), task.cancel_requested_at),
        (_("Cancelled by"), person(task.cancel_requested_by)),
        (_("Cancel forced"), _("yes") if task.cancel_forced else ""),
        (_("Lines"), f"{task.last_seq:,}"),
    ]
    said = [(title, value) for title, value in rows if value not in (None, "")]
    return _table(_("Facts"), (), said)


def _params(shown: Shown) -> Table:
    known = shown.kind.params if shown.kind else ()
    titles = {parameter.name: shown.local(parameter.title) for parameter in known}
    rows = [(titles.get(n, n), n, value) for n, value in shown.params.items()]
    return _table(_("Parameters"), (_("Parameter"), _("Name"), _("Value")), rows)


def _steps(shown: Shown) -> Table:
    results = (shown.task.result or {}).get("results", [])
    commands = [result.get("command", "") for result in results]
    rows = [
        (
            row.name,
            f"{row.shape} {row.label}",
            row.exit_code,
            row.attempt_label,
            row.duration,
            row.line and f"{row.line:,}",
            command,
        )
        for row, command in zip(
            shown.steps, [*commands, *[""] * len(shown.steps)], strict=False
        )
    ]
    heads = (
        _("Step"),
        _("Status"),
        _("Exit code"),
        _("Attempt"),
        _("Duration"),
        _("First line"),
        _("Command"),
    )
    return _table(_("Steps"), heads, rows)


def _outcome(shown: Shown) -> Iterable[Table]:
    outcome = shown.outcome
    if table := outcome.table:
        heads = ("", *map(str, table.columns))
        rows = [(label, *cells) for label, cells in table.rows]
        yield _table(_("Result"), heads, rows)
    if outcome.values:
        yield _table(_("Result"), (), outcome.values)


def _trail(task: Task, *, with_trail: bool) -> Table:
    if not with_trail:
        note = _("Not included: only administrators may see the audit trail.")
        return _table(_("Audit trail"), (), (), note)
    events = AuditEvent.objects.filter(target=str(task.pk)).order_by("pk")
    rows = [
        (
            event.at,
            person(event.actor),
            event.address,
            event.label,
            json.dumps(event.details, ensure_ascii=False),
        )
        for event in events
    ]
    heads = (_("Time"), _("Who"), _("Address"), _("Action"), _("Details"))
    note = "" if rows else _("Nothing was recorded.")
    return _table(_("Audit trail"), heads if rows else (), rows, note)
