"""The console, a task's page, and the fragments that their scripts fetch.

Pages translate between people and tasks.lifecycle; what may happen is decided there.
Everything works without script; scripts add what moves.
"""

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tasks import lifecycle
from tasks.api.throttles import address_of
from tasks.catalog import catalog
from tasks.lifecycle import Actor
from tasks.models import LogLine, Runner, StatusConflict, Task
from tasks.task_types import ParameterErrors, TaskType

RECENT_TASKS = 20
FIRST_LINES = 200  # rendered by the server; the script goes on from there

SHAPES = {
    Task.Status.PENDING: "◌",
    Task.Status.RUNNING: "●",
    Task.Status.COMPLETED: "✓",
    Task.Status.FAILED: "✕",
    Task.Status.CANCELLED: "⊘",
}
LEVEL_MARKS = {
    LogLine.Level.INFO: "›",
    LogLine.Level.STDERR: "!",
    LogLine.Level.SUCCESS: "✓",
    LogLine.Level.ERROR: "✕",
}

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def staff_page(view: View[P]) -> View[P]:
    """A page for staff who are signed in; never out of a cache."""
    guarded = never_cache(staff_member_required(view, login_url="admin:login"))
    return functools.wraps(view)(guarded)


def actor(request: HttpRequest) -> Actor:
    """Who asks, as the audit trail will name them."""
    return Actor(request.user.get_username(), address_of(request))


# --- How people say it --------------------------------------------------------------


def duration_text(seconds: float) -> str:
    """``840 ms``, ``1.6 s``, ``12 s``, ``2 m 14 s``, ``1 h 5 m``."""
    if seconds < 1:
        return _("%(n)s ms") % {"n": round(max(seconds, 0) * 1000)}
    if seconds < 10 and not float(seconds).is_integer():
        return _("%(s)s s") % {"s": f"{seconds:.1f}"}
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return _("%(h)s h %(m)s m") % {"h": hours, "m": minutes}
    if minutes:
        return _("%(m)s m %(s)s s") % {"m": minutes, "s": rest}
    return _("%(s)s s") % {"s": rest}


def ago_text(moment: datetime, now: datetime) -> str:
    """``3 min ago``; the exact time belongs beside it."""
    seconds = int((now - moment).total_seconds())
    if seconds < 10:
        return _("just now")
    if seconds < 60:
        return ngettext("%(n)s s ago", "%(n)s s ago", seconds) % {"n": seconds}
    if seconds < 3600:
        count = seconds // 60
        return ngettext("%(n)s min ago", "%(n)s min ago", count) % {"n": count}
    if seconds < 86400:
        count = seconds // 3600
        return ngettext("%(n)s h ago", "%(n)s h ago", count) % {"n": count}
    count = seconds // 86400
    return ngettext("%(n)s day ago", "%(n)s days ago", count) % {"n": count}


@dataclass(frozen=True)
class StepRow:
    """One line of the table of steps."""

    name: str
    status: str  # a task's status, or "" for a step that never ran
    exit_code: int | None = None
    duration: str = ""

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.status)] if self.status else "–"

    @property
    def label(self) -> str:
        return str(Task.Status(self.status).label) if self.status else _("not run")


class Shown:
    """A task as the templates show it."""

    def __init__(self, task: Task, now: datetime) -> None:
        self.task, self.now = task, now
        self.kind = catalog().get(task.type)
        self.api = f"/api/tasks/{task.pk}"

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.task.status)]

    @property
    def title(self) -> str:
        return self.kind.title if self.kind else self.task.type

    @property
    def ago(self) -> str:
        return ago_text(self.task.created_at, self.now)

    @property
    def ended_ago(self) -> str:
        ended = self.task.completed_at
        return ago_text(ended, self.now) if ended else ""

    @property
    def duration(self) -> str:
        """How long it ran, or runs already; "" while it waits."""
        if self.task.started_at is None:
            return ""
        end = self.task.completed_at
        seconds = ((end or self.now) - self.task.started_at).total_seconds()
        # Tenths of a clock that runs would say more than is known.
        return duration_text(seconds if end else max(1, int(seconds)))

    @property
    def params(self) -> dict[str, str]:
        """What was asked, beyond the version, without secrets."""
        known = self.kind.without_secrets(self.task.params) if self.kind else {}
        return {name: value for name, value in known.items() if name != "version"}

    @property
    def step_names(self) -> list[str]:
        return [step.name for step in self.kind.steps] if self.kind else []

    @property
    def steps(self) -> list[StepRow]:
        """What ran, from the result; then what is running or still to come."""
        if self.task.has_ended:
            results = (self.task.result or {}).get("results", [])
            left = self.step_names[len(results) :]
            return [
                *(_step_row(entry, self.task.status) for entry in results),
                *(StepRow(name, "") for name in left),
            ]
        current = self.task.step_index
        return [
            StepRow(name, _status_of_step(number, current))
            for number, name in enumerate(self.step_names, 1)
        ]

    @property
    def lines(self) -> list[LogLine]:
        """The newest lines, oldest first."""
        return list(self.task.lines.order_by("-seq")[:FIRST_LINES])[::-1]

    @property
    def marked_lines(self) -> list[tuple[LogLine, str]]:
        return [
            (line, LEVEL_MARKS.get(LogLine.Level(line.level), ""))
            for line in self.lines
        ]

    @property
    def why_waiting(self) -> str:
        """One sentence on what this task waits for; "" if it does not wait."""
        if self.task.status != Task.Status.PENDING:
            return ""
        alive = Runner.objects.alive()
        if not alive.exists():
            return _("It waits: no runner is alive.")
        if before := self._holder_of_lock():
            return _("It waits for %(task)s to end.") % {"task": before}
        if not any(not r.types or self.task.type in r.types for r in alive):
            return _("It waits: no runner that is alive takes this type.")
        places = alive.aggregate(sum=Sum("concurrency"))["sum"] or 0
        if Task.objects.running().count() >= places:
            return _("It waits: every runner is busy.")
        return _("It starts in a moment.")

    def _holder_of_lock(self) -> Task | None:
        if self.task.lock is None:
            return None
        same_lock = Task.objects.filter(lock=self.task.lock)
        earlier = same_lock.pending().filter(created_at__lt=self.task.created_at)
        return same_lock.running().first() or earlier.order_by("created_at").first()


def _status_of_step(number: int, current: int) -> str:
    if number < current:
        return Task.Status.COMPLETED
    return Task.Status.RUNNING if number == current else Task.Status.PENDING


def _step_row(entry: dict[str, Any], task_status: str) -> StepRow:
    code, milliseconds = entry.get("exitCode"), entry.get("durationMs")
    is_cancelled = task_status == Task.Status.CANCELLED
    unclean = Task.Status.CANCELLED if is_cancelled else Task.Status.FAILED
    return StepRow(
        name=str(entry.get("name", "")),
        status=Task.Status.COMPLETED if code == 0 else unclean,
        exit_code=code,
        duration="" if milliseconds is None else duration_text(milliseconds / 1000),
    )


# --- The console --------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One input of a launch form."""

    name: str
    schema: dict[str, Any]
    required: bool
    value: str
    errors: list[str]

    pattern: str | None = None  # as people read it; the schema's is anchored

    @property
    def is_secret(self) -> bool:
        return bool(self.schema.get("writeOnly"))


@dataclass(frozen=True)
class LaunchForm:
    """One task type's form, made from its parameter schema."""

    kind: TaskType
    fields: list[Field]
    is_chosen: bool


def launch_forms(
    chosen: str, given: dict[str, str], errors: dict[str, list[str]]
) -> list[LaunchForm]:
    """A form for each type that is not hidden; the chosen one's carries values."""
    kinds = [kind for kind in catalog().values() if not kind.hidden]
    if chosen not in {kind.name for kind in kinds} and kinds:
        chosen = kinds[0].name
    return [
        LaunchForm(kind, _fields(kind, given, errors), kind.name == chosen)
        if kind.name == chosen
        else LaunchForm(kind, _fields(kind, given, {}), is_chosen=False)
        for kind in kinds
    ]


def _fields(
    kind: TaskType, given: dict[str, str], errors: dict[str, list[str]]
) -> list[Field]:
    required = kind.schema()["required"]
    return [
        Field(
            name=parameter.name,
            schema=parameter.schema(),
            required=parameter.name in required,
            # A secret never comes back into a page.
            value=""
            if parameter.secret
            else given.get(parameter.name, parameter.default or ""),
            errors=errors.get(parameter.name, []),
            pattern=None if parameter.choices else parameter.pattern,
        )
        for parameter in kind.params
    ]


@staff_page
def console(request: HttpRequest) -> HttpResponse:
    """Start a task, watch it, see what ran lately."""
    errors: dict[str, list[str]] = {}
    given = (request.POST if request.method == "POST" else request.GET).dict()
    chosen = str(given.pop("type", ""))
    if request.method == "POST":
        given.pop("csrfmiddlewaretoken", None)
        try:
            # An input left empty is a parameter left out.
            asked = {name: value for name, value in given.items() if value}
            task = lifecycle.submit(chosen, asked, actor(request))
        except lifecycle.UnknownTaskType as error:
            messages.error(request, str(error))
        except ParameterErrors as error:
            errors = error.errors
        else:
            return redirect("task", task.pk)
    context = {
        "forms": launch_forms(chosen, given, errors),
        "shown": _watched(given.get("task")),
        **_live(),
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "console.html", context, status=status)


def _watched(task_id: str | None) -> Shown | None:
    """The task that the console's address names, else one that is running now."""
    tasks = Task.objects.all()
    task = None
    if task_id:
        try:
            task = tasks.filter(pk=task_id).first()
        except ValidationError:
            task = None
    task = task or tasks.running().newest_first().first()
    return Shown(task, timezone.now()) if task else None


def _live() -> dict[str, Any]:
    """What every page keeps up to date: the newest tasks, and whether any runner is
    there."""
    now = timezone.now()
    newest = Task.objects.newest_first().defer("result", "trail")[:RECENT_TASKS]
    return {
        "recent": [Shown(task, now) for task in newest],
        "no_runner": not Runner.objects.alive().exists(),
        "now": now,
    }


@require_GET
@staff_page
def live(request: HttpRequest) -> HttpResponse:
    """The parts of a page that change by themselves, as HTML."""
    return render(request, "live.html", _live())


# --- One task -----------------------------------------------------------------------


@require_GET
@staff_page
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task.objects.select_related("rerun_of"), pk=task_id)
    context = {"shown": Shown(task, timezone.now()), **_live()}
    return render(request, "task.html", context)


@require_GET
@staff_page
def task_panel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """A task as the console shows it, to be put into the page."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "panel.html", {"shown": Shown(task, timezone.now())})


@require_POST
@staff_page
def rerun(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    try:
        return redirect("task", lifecycle.rerun(task, actor(request)).pk)
    except (lifecycle.UnknownTaskType, ParameterErrors) as error:
        messages.error(request, str(error))
        return redirect("task", task.pk)


@staff_page
def cancel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Ask first, then cancel: for browsers without script."""
    task = get_object_or_404(Task, pk=task_id)
    if request.method != "POST":
        return render(request, "cancel.html", {"shown": Shown(task, timezone.now())})
    cancel_and_say(request, task)
    return redirect("task", task.pk)


def cancel_and_say(request: HttpRequest, task: Task) -> None:
    """Cancel a task and leave a message on what came of it."""
    try:
        asked = lifecycle.request_cancel(task.pk, actor(request))
    except StatusConflict as conflict:
        status = Task.Status(str(conflict.found)).label
        text = _("%(task)s has already ended: %(status)s.")
        messages.warning(request, text % {"task": task, "status": status})
    else:
        text = (
            _("%(task)s is cancelled.")
            if asked.has_ended
            else _("%(task)s is being cancelled.")
        )
        messages.success(request, text % {"task": task})
