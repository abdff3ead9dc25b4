"""What is paused and frozen, since when and until when, and by whom."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks.access.staff import actor, staff_page
from tasks.presenters.queue.freezes import shown_freezes
from tasks.presenters.queue.pauses import shown_pauses
from tasks.web.live import live_parts
from tasks.web.zone import zone_of


@require_GET
@staff_page
def queue(request: HttpRequest) -> HttpResponse:
    with timezone.override(zone_of(request)):
        return render(request, "queue/page.html", _parts(request))


@require_GET
@staff_page
def queue_live(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change by themselves, as HTML."""
    with timezone.override(zone_of(request)):
        return render(request, "queue/live.html", _parts(request))


def _parts(request: HttpRequest) -> dict[str, Any]:
    return {
        "pauses": shown_pauses(actor(request)),
        "by_state": shown_freezes(timezone.now()),
        "zone": str(zone_of(request)),
        "back": "queue",
        **live_parts(),
    }
