"""What is live on each platform, what was live when, and the way back."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tasks.access.staff import actor, staff_page
from tasks.presenters.changes import ShownChanges, shown_changes
from tasks.presenters.release_panels import first_release, release_panels
from tasks.presenters.releases import PATIENCE_SECONDS
from tasks.presenters.ribbon import DAYS, LABEL_DAYS
from tasks.releases import LIVE, channels_of_all_within
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
    channels = channels_of_all_within(PATIENCE_SECONDS)
    chosen = request.GET.get("channel")
    channel = chosen if chosen in channels else LIVE
    whole = request.GET.get("all", "")
    return {
        "days": days,
        "choices": list(LABEL_DAYS),
        "channels": channels,
        "channel": channel,
        "panels": release_panels(actor(request), days, whole, channel),
        "first_release": first_release(actor(request)),
        "compared": (compared := _compared(request)),
        "changes": _changes(compared),
        **live_parts(),
    }


def _compared(request: HttpRequest) -> dict[str, str]:
    """Return which two versions the address asks for, of which platform."""
    return {name: request.GET.get(name, "") for name in ("platform", "from", "to")}


def _changes(compared: Mapping[str, str]) -> ShownChanges | None:
    platform, version = compared["platform"], compared["to"]
    if not (platform and version):
        return None
    return shown_changes(platform, version, compared["from"])


def _days(request: HttpRequest) -> int:
    """Return how many days the ribbons show, as the address says it, if it can be."""
    text = request.GET.get("days", "")
    return next((days for days in LABEL_DAYS if str(days) == text), DAYS)
