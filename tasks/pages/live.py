"""What every page keeps up to date: the newest tasks, and whether a runner is there."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks.models import Runner, Task
from tasks.pages.shown import Shown
from tasks.pages.staff import staff_page

RECENT_TASKS = 20


def live_parts() -> dict[str, Any]:
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
    return render(request, "live.html", live_parts())
