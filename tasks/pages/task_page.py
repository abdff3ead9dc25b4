"""A task's own page, and what its buttons do."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tasks import lifecycle
from tasks.actors import Actor, ScopeTooSmall
from tasks.catalog.loader import catalog
from tasks.models import StatusConflict, Task
from tasks.pages.live import live_parts
from tasks.pages.shown import Shown
from tasks.pages.staff import actor, staff_page


@require_GET
@staff_page
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    context = {**panel_of(request, task), **live_parts()}
    return render(request, "task.html", context)


@require_GET
@staff_page
def panel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """A task as the console shows it, to be put into the page."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "panel.html", panel_of(request, task))


@require_GET
@staff_page
def facts(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """What a task's page says beside its log, to be put into the page again."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "task_facts.html", {"shown": Shown(task, timezone.now())})


@require_GET
@staff_page
def why_waiting(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """What a task waits for, to be put into its page again; empty where it does not."""
    task = get_object_or_404(Task.objects.defer("trail", "result"), pk=task_id)
    return HttpResponse(Shown(task, timezone.now()).why_waiting)


def panel_of(request: HttpRequest, task: Task) -> dict[str, Any]:
    """What panel.html takes: the task, and what the reader may do to it."""
    return {"shown": Shown(task, timezone.now()), "may": acts(actor(request), task)}


def acts(actor: Actor, task: Task) -> dict[str, bool]:
    """Which buttons of a task somebody is offered."""
    kind = catalog().get(task.type)
    return {
        "cancel": actor.may_cancel(task),
        "pin": actor.may_pin(task),
        "rerun": kind is not None and actor.may_start(kind),
    }


@staff_page
def cancel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Ask first, then cancel, or force what is being cancelled: for browsers without
    script."""
    task = get_object_or_404(Task, pk=task_id)
    lifecycle.let_cancel(actor(request), task)
    if request.method != "POST":
        shown, force = Shown(task, timezone.now()), "force" in request.GET
        return render(request, "cancel.html", {"shown": shown, "force": force})
    cancel_and_say(request, task, force="force" in request.POST)
    return redirect("task", task.pk)


def cancel_and_say(request: HttpRequest, task: Task, *, force: bool = False) -> None:
    """Cancel a task and leave a message on what came of it."""
    try:
        asked = lifecycle.request_cancel(task.pk, actor(request), force=force)
    except ScopeTooSmall as refused:
        messages.error(request, f"{task}: {refused}")
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
