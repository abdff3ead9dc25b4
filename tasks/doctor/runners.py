"""Who runs tasks: whether they live, of which version they are, and what they take."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.catalog.labels import has_all
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType
from tasks.catalog.toml_tables import CatalogError
from tasks.doctor.findings import Finding, ok, problem, skipped, warning
from tasks.liveness.processes import ProcessState, is_here, state_of
from tasks.models import CRASH_MINUTES, LEASE_SECONDS, Runner

ROOMS = ("resource_sync", "streaming", "tasks", "resources")


def alive() -> list[Runner]:
    """Return the runners that beat within the lease, by the database's clock: where no
    other process looks, nobody has noted who is silent."""
    since = Now() - timedelta(seconds=LEASE_SECONDS)
    found = Runner.objects.alive().filter(heartbeat_at__gt=since)
    return list(found.annotate(now=Now()).order_by("name"))


def stopped_by_signal() -> list[Runner]:
    """Return the runners of this machine that a signal stopped, and nobody let go on;
    also those that were given up since."""
    rows = [*Runner.objects.not_stopped(), *Runner.objects.crashed_lately()]
    return [
        row for row in rows if is_here(row) and state_of(row) is ProcessState.STOPPED
    ]


def runners() -> Iterator[Finding]:
    stopped = {row.pk: row for row in stopped_by_signal()}
    found = [row for row in alive() if row.pk not in stopped]
    if found:
        names = ", ".join(f"{row.name} ({_about(row)})" for row in found)
        yield ok(_("Runners that are alive: %(names)s.") % {"names": names})
    else:
        yield problem(
            _("No runner is alive, so no task is started."),
            _("`systemctl start resource-sync-runner`, or `make start`; why it ended "
              "stands in LOG_DIR/error.log."),
        )  # fmt: skip
    for row in stopped.values():
        yield problem(
            _("The runner %(name)s is stopped by a signal (SIGSTOP).")
            % {"name": row.name},
            _("`kill -CONT %(pid)s` lets it go on; then it ends itself, and is started "
              "again.") % {"pid": row.pid},
        )  # fmt: skip
    told = {*stopped, *(row.pk for row in found)}
    for row in Runner.objects.not_stopped().exclude(pk__in=told).annotate(now=Now()):
        yield _silent(row)
    for row in found:
        yield from _version(row)
    if crashes := Runner.objects.crashed_lately().count():
        yield warning(
            ngettext(
                "%(count)s runner crashed within the last %(minutes)s minutes.",
                "%(count)s runners crashed within the last %(minutes)s minutes.",
                crashes,
            )
            % {"count": crashes, "minutes": CRASH_MINUTES},
            _("LOG_DIR/error.log has the traceback."),
        )


def _about(row: Runner) -> str:
    return ", ".join([row.version or "?", *(row.labels or ())])


def _silent(row: Runner) -> Finding:
    moment: datetime = row.now  # type: ignore[attr-defined]
    seconds = round((moment - row.heartbeat_at).total_seconds())
    values = {"name": row.name, "host": row.host, "seconds": seconds}
    text = _("The runner %(name)s on %(host)s gave no sign of life for %(seconds)s s.")
    return warning(
        text % values,
        _("Look after that host: is it up, and does it reach the database? What the "
          "runner had is taken from it after its --patience."),
    )  # fmt: skip


def _version(row: Runner) -> Iterator[Finding]:
    again = _("Restart it: `systemctl restart resource-sync-runner`, `make restart`.")
    if row.version and row.version != settings.VERSION:
        yield warning(
            _("The runner %(name)s is of version %(theirs)s, this code of %(ours)s.")
            % {"name": row.name, "theirs": row.version, "ours": settings.VERSION},
            again,
        )
    elif is_here(row) and (changed := _code_changed()) > row.started_at:
        yield warning(
            _("The runner %(name)s was started before the code was changed "
              "(%(when)s UTC).")
            % {"name": row.name, "when": f"{changed:%Y-%m-%d %H:%M:%S}"},
            again,
        )  # fmt: skip


def _code_changed() -> datetime:
    """Return when a file of the product's code was changed last."""
    files = [
        file for room in ROOMS for file in (settings.BASE_DIR / room).rglob("*.py")
    ]
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    return datetime.fromtimestamp(newest, UTC)


def types() -> Iterator[Finding]:
    """What the files say now is what the runners take."""
    try:
        here = catalog()
    except CatalogError as error:
        yield problem(
            _("The task types can't be read: %(error)s") % {"error": error},
            _("Mend the line; `manage.py check_types` looks at the files again."),
        )
        return
    found = alive()
    if not found:
        yield skipped(_("No runner is alive that could be asked which types it takes."))
        return
    taken = [row.takes for row in found]
    # What a runner of an earlier version takes was not written down.
    untaken = [name for name in here if not any(t is None or name in t for t in taken)]
    restart = _("Restart the runners, after the last change of TASK_TYPES_FILE; or is "
                "this left out of their --types?")  # fmt: skip
    unlabelled = [name for name in untaken if _misses_labels(here[name], found)]
    for name in unlabelled:
        values = {"type": name, "labels": ",".join(here[name].labels)}
        text = _("No runner has the labels that %(type)s needs (%(labels)s): such "
                 "tasks wait for ever.")  # fmt: skip
        advice = _("Set RUNNER_LABELS=%(labels)s on the host that is meant, and "
                   "restart its runners.")  # fmt: skip
        yield problem(text % values, advice % values)
    untaken = [name for name in untaken if name not in unlabelled]
    if untaken:
        text = _("No runner takes %(types)s: such tasks wait for ever.")
        yield problem(text % {"types": ", ".join(untaken)}, restart)
    for row in found:
        if gone := sorted(set(row.known_types or ()) - set(here)):
            text = _("The runner %(name)s knows types that the files no longer have: "
                     "%(types)s.")  # fmt: skip
            values = {"name": row.name, "types": ", ".join(gone)}
            yield warning(text % values, restart)
    if not untaken and not unlabelled:
        text = ngettext(
            "The runners take the %(count)s type of the files.",
            "The runners take the %(count)s types of the files.",
            len(here),
        )
        yield ok(text % {"count": len(here)})


def _misses_labels(kind: TaskType, found: list[Runner]) -> bool:
    return not any(has_all(row.labels or (), kind.labels) for row in found)
