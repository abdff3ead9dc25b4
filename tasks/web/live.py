"""What every page keeps up to date: whether a runner is there."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.models import Runner


def live_parts() -> dict[str, Any]:
    return {"no_runner": not Runner.objects.alive().exists()}


@require_GET
@staff_page
def live(request: HttpRequest) -> HttpResponse:
    """The parts of a page that change by themselves, as HTML."""
    return render(request, "live.html", live_parts())
