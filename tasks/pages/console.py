"""The console: start a task, watch it, see what ran lately."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from tasks import lifecycle
from tasks.models import Task
from tasks.pages.launch import launch_forms
from tasks.pages.live import live_parts
from tasks.pages.sayings import said
from tasks.pages.shown import Shown
from tasks.pages.staff import actor, staff_page
from tasks.task_types import ParameterErrors


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
            messages.error(request, said(str(error)))
        except ParameterErrors as error:
            errors = error.errors
        else:
            return redirect("task", task.pk)
    context = {
        "forms": launch_forms(chosen, given, errors),
        "shown": _watched(given.get("task")),
        **live_parts(),
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
