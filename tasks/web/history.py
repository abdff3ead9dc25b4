"""Everything that ran: found by filters, page by page, with figures for each type."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.catalog.loader import catalog
from tasks.keyset import Position, page_of
from tasks.models import Task
from tasks.presenters.statistics import DAYS, MOST_RUNS, statistics_of
from tasks.presenters.task import Shown
from tasks.web.filters import Filters
from tasks.web.live import live_parts

PAGE_TASKS = 50


@require_GET
@staff_page
def history(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    filters = Filters(request.GET)
    found = filters.apply(Task.objects.defer("result", "trail"))
    tasks, newer, older = page_of(found, "number", _position(request), PAGE_TASKS)
    context = {
        "filters": filters,
        "tasks": [Shown(task, now) for task in tasks],
        "newer": _query(filters, newer),
        "older": _query(filters, older),
        **_figures(filters, now),
        **live_parts(),
    }
    return render(request, "history.html", context)


def _position(request: HttpRequest) -> Position | None:
    """Return where in the list the page begins; at the newest where that says
    nothing."""
    try:
        return Position.of_cursor(request.GET["at"]) if "at" in request.GET else None
    except ValueError:
        return None


def _query(filters: Filters, position: Position | None) -> str:
    if position is None:
        return ""
    at = urlencode({"at": position.as_cursor()})
    return f"?{filters.query}&{at}" if filters.query else f"?{at}"


def _figures(filters: Filters, now: datetime) -> dict[str, Any]:
    """Of each type, or of the one that is chosen, and then day by day."""
    chosen = filters["type"]
    return {
        "statistics": statistics_of([chosen] if chosen else list(catalog()), now),
        "with_days": bool(chosen),
        "days": DAYS,
        "most_runs": MOST_RUNS,
    }
