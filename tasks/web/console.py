"""The console: start a task, see what runs, what waits, what ran, what is live."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks import lifecycle
from tasks.access.staff import actor, staff_form, staff_page
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Task
from tasks.presenters.queue.pauses import shown_pauses
from tasks.presenters.release_panels import release_panels
from tasks.presenters.ribbon import DAYS
from tasks.presenters.task import Shown
from tasks.queue.freezes import Frozen, active_freezes
from tasks.web.filters import Filters
from tasks.web.launch import grouped, launch_forms, link_back, start
from tasks.web.live import live_parts
from tasks.web.now import now_parts
from tasks.web.recent_failures import recent_failures

RECENT_TASKS = 20


@staff_form(lambda request: link_back(request.POST))
def console(request: HttpRequest) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            return redirect("task", start(request.POST, actor(request)).pk)
        except (lifecycle.UnknownTaskType, Frozen) as error:
            messages.error(request, str(error))
        except ParameterErrors as error:
            errors = error.errors
    given = (request.POST if request.method == "POST" else request.GET).dict()
    forms = launch_forms(actor(request), given.get("type", ""), given, errors)
    context = {
        "forms": forms,
        "groups": grouped(forms, actor(request)),
        "chosen": next((form for form in forms if form.is_chosen), None),
        **parts(request),
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "console.html", context, status=status)


@require_GET
@staff_page
def console_live(request: HttpRequest) -> HttpResponse:
    """The parts of the console that change by themselves, as HTML."""
    return render(request, "console_live.html", parts(request))


def parts(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    filters = Filters(request.GET, "recent-", Task.ENDED)
    ended = filters.apply(Task.objects.finished().defer("result", "trail"))
    recent = ended.last_ended(RECENT_TASKS)
    return {
        "filters": filters,
        "recent": [Shown(task, now) for task in recent],
        "releases": release_panels(actor(request), DAYS),
        "failures": recent_failures(now),
        "pauses": shown_pauses(actor(request)),
        "freezes": active_freezes(now),
        **now_parts(),
        **live_parts(),
    }
