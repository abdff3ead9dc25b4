"""What will happen if a form is sent: what it waits for, and how long it takes."""

from collections.abc import Iterator, Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from tasks.access.staff import actor, staff_page
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors, TaskType
from tasks.estimates import seconds_left, usual_times
from tasks.models import Task
from tasks.presenters.approvals.card import worked_seconds
from tasks.presenters.changes import Planned, planned_sentences
from tasks.presenters.consequence import published_platforms
from tasks.presenters.names import name_of
from tasks.presenters.queue.limits import said_limit
from tasks.presenters.queue.pauses import said_pause
from tasks.presenters.wording import duration_text
from tasks.versions import known_platforms
from tasks.waiting import would_wait_for


@require_GET
@staff_page
def plan(request: HttpRequest) -> HttpResponse:
    """Return what will happen, as HTML to be put beside the button that starts it."""
    given = {name: str(text) for name, text in request.GET.items() if text}
    kind = catalog().get(given.pop("type", ""))
    if kind is None or not actor(request).may_start(kind):
        raise Http404
    try:
        params = kind.validated(given)
    except ParameterErrors:
        params = None
    changes = list(_changes(kind, params)) if params else []
    context = {"changes": changes, "sentences": list(_sentences(kind, params))}
    return render(request, "plan.html", context)


def _changes(kind: TaskType, params: Mapping[str, str]) -> Iterator[Planned]:
    """Return what publishing would change on each platform, of a type that publishes
    a version."""
    platforms = published_platforms(kind, params, known_platforms())
    version, guard = params.get("version", ""), params.get("guard", "")
    limit = int(guard) if guard.isdecimal() else None
    if version:
        yield from planned_sentences(platforms, version, limit=limit)


def _sentences(kind: TaskType, params: Mapping[str, str] | None) -> Iterator[str]:
    if params is not None:
        yield _start_of(kind, params)
    usual = usual_times([kind.name]).get(kind.name)
    if usual:
        time = duration_text(max(1, round(usual.median)))
        yield _("Usually takes {time}").format(time=time)


def _start_of(kind: TaskType, params: Mapping[str, str]) -> str:
    """Return when it starts, or what it waits for."""
    lock = kind.lock_for(params)
    waiting = would_wait_for(kind.name, lock)
    if waiting is None:
        return _("Starts at once")
    if waiting.pause is not None:
        return said_pause(waiting.pause)
    if waiting.labels:
        text = _("Waits until a runner with these labels is active: {labels}")
        return text.format(labels=", ".join(waiting.labels))
    if waiting.reason == "runner":
        return _("Waits until a runner that accepts this type is active")
    if waiting.task is None:
        return _("Waits: {why}").format(why=said_limit(waiting))
    ahead = Task.objects.pending().filter(lock=lock).count()
    holder = Task.objects.running().filter(pk=waiting.task.pk).first()
    waits = _waits_for(holder) if holder else ""
    return " · ".join(filter(None, [waits, _queued_before(ahead)]))


def _queued_before(count: int) -> str:
    if not count:
        return ""
    text = ngettext(
        "{n} task is queued before it", "{n} tasks are queued before it", count
    )
    return text.format(n=count)


def _waits_for(holder: Task) -> str:
    text = _("Waits for {task}").format(task=name_of(holder))
    usual = usual_times([holder.type]).get(holder.type)
    if usual is None or holder.started_at is None:
        return text
    elapsed = worked_seconds(holder, timezone.now())
    left = seconds_left(elapsed, usual.median, holder.progress)
    if left is None:
        return text
    time = duration_text(max(1, round(left)))
    return f"{text} ({_('about {time} left').format(time=time)})"
