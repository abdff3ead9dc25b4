"""A task's own page, and what its buttons do."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tasks import lifecycle
from tasks.models import StatusConflict, Task
from tasks.pages.live import live_parts
from tasks.pages.sayings import said
from tasks.pages.shown import Shown
from tasks.pages.staff import actor, staff_act, staff_page
from tasks.task_types import ParameterErrors


@require_GET
@staff_page
def task_page(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    context = {"shown": Shown(task, timezone.now()), **live_parts()}
    return render(request, "task.html", context)


@require_GET
@staff_page
def panel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """A task as the console shows it, to be put into the page."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "panel.html", {"shown": Shown(task, timezone.now())})


@require_GET
@staff_page
def facts(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """What a task's page says beside its log, to be put into the page again."""
    task = get_object_or_404(Task, pk=task_id)
    return render(request, "task_facts.html", {"shown": Shown(task, timezone.now())})


@staff_act("task")
def rerun(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    task = get_object_or_404(Task, pk=task_id)
    try:
        return redirect("task", lifecycle.rerun(task, actor(request)).pk)
    except (lifecycle.UnknownTaskType, ParameterErrors) as error:
        messages.error(request, said(str(error)))
        return redirect("task", task.pk)


@staff_page
def cancel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponse:
    """Ask first, then cancel, or force what is being cancelled: for browsers without
    script."""
    task = get_object_or_404(Task, pk=task_id)
    if request.method != "POST":
        shown, force = Shown(task, timezone.now()), "force" in request.GET
        return render(request, "cancel.html", {"shown": shown, "force": force})
    cancel_and_say(request, task, force="force" in request.POST)
    return redirect("task", task.pk)


def cancel_and_say(request: HttpRequest, task: Task, *, force: bool = False) -> None:
    """Cancel a task and leave a message on what came of it."""
    try:
        asked = lifecycle.request_cancel(task.pk, actor(request), force=force)
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
