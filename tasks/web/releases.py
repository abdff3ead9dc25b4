"""What is live on each platform, what was live when, and the way back."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tasks.access.staff import actor, staff_page
from tasks.presenters.changes import TYPED_SECONDS, ShownChanges, shown_changes
from tasks.presenters.release_panels import first_release, release_panels
from tasks.presenters.ribbon import DAYS, LABEL_DAYS
from tasks.web.live import live_parts


@require_GET
@staff_page
def releases(request: HttpRequest) -> HttpResponse:
    return render(request, "releases_page.html", _parts(request))


@require_GET
@staff_page
def releases_live(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change by themselves, as HTML."""
    return render(request, "releases_live.html", _parts(request))


def _parts(request: HttpRequest) -> dict[str, Any]:
    days = _days(request)
    return {
        "days": days,
        "choices": list(LABEL_DAYS),
        "panels": release_panels(actor(request), days, request.GET.get("all", "")),
        "first_release": first_release(actor(request)),
        "can_compare": True,
        "changes": _changes(request),
        "compared": {
            name: request.GET.get(name, "") for name in ("platform", "from", "to")
        },
        **live_parts(),
    }


def _changes(request: HttpRequest) -> ShownChanges | None:
    """Return what the two versions that the address names differ by; None where it
    names none."""
    platform, version = request.GET.get("platform", ""), request.GET.get("to", "")
    if not platform or not version:
        return None
    since = request.GET.get("from", "")
    return shown_changes(platform, version, since, seconds=TYPED_SECONDS)


def _days(request: HttpRequest) -> int:
    """Return how many days the ribbons show, as the address says it, if it can be."""
    text = request.GET.get("days", "")
    return next((days for days in LABEL_DAYS if str(days) == text), DAYS)
