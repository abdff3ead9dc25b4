"""A task's own page, and what its buttons do."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks import lifecycle
from tasks.access.staff import actor, staff_page
from tasks.models import Task
from tasks.presenters.acts import acts, cancel_and_say
from tasks.presenters.approvals.card import card_of
from tasks.presenters.task import Shown
from tasks.web.live import live_parts


@require_GET
@staff_page
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    context = {**panel_of(request, task), **live_parts()}
    context["view"] = _view_of(request, context["shown"])
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
    """Return what a task's page says beside its log, to be put into the page again."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "task_parts.html", panel_of(request, task))


@require_GET
@staff_page
def why_waiting(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Return what a task waits for, to be put into its page again; empty where it does
    not."""
    task = get_object_or_404(Task.objects.defer("trail", "result"), pk=task_id)
    return HttpResponse(Shown(task, timezone.now()).why_waiting)


def panel_of(request: HttpRequest, task: Task) -> dict[str, Any]:
    """Return what panel.html takes: the task, and what the reader may do to it."""
    who = actor(request)
    return {
        "shown": Shown(task, timezone.now()),
        "may": acts(who, task),
        "approval": card_of(task, who),
    }


def _view_of(request: HttpRequest, shown: Shown) -> str:
    """Return what a task's page shows: its summary, where there is one and the address
    or a good end asks for it, or its log."""
    is_good = shown.task.status == Task.Status.COMPLETED
    asked = request.GET.get("view", "summary" if is_good else "log")
    return "summary" if asked == "summary" and shown.summary else "log"


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
