"""Everything that ran: found by filters, day by day, and in a second tab as figures."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from tasks.access.staff import staff_page
from tasks.bulk.selection import MOST_AT_ONCE
from tasks.keyset import Page, Position, page_of
from tasks.models import Task, TaskQuerySet
from tasks.presenters.days import day_text, nearness
from tasks.presenters.task import Shown
from tasks.web.figures import figures
from tasks.web.filters import Filters, midnight
from tasks.web.live import live_parts
from tasks.web.zone import zone_of

PAGE_TASKS = 50
MOST_COUNTED = 10_000  # 5 ms to count; of a million one wants to see fewer anyway
FIGURES = "figures"
# What can be cancelled: tasks.bulk.selection.
OPEN = {"completed_at": None, "cancel_requested_at": None}


class Day(NamedTuple):
    """The tasks of a page that were created on one day."""

    text: str
    nearness: str
    tasks: list[Shown]


@require_GET
@staff_page
def history(request: HttpRequest) -> HttpResponse:
    zone = zone_of(request)
    with timezone.override(zone):
        now = timezone.localtime()
        filters = Filters(request.GET, zone=zone)
        view = FIGURES if request.GET.get("view") == FIGURES else ""
        context = {
            "filters": filters,
            "view": view,
            "chips": [
                chip._replace(others=address(view, chip.others))
                for chip in filters.chips
            ],
            "all": address(view),
            "in_list": address("", filters.query),
            "in_figures": address(FIGURES, filters.query),
            "zone": str(zone),
            **(figures(filters, now) if view else _tasks(request, filters, now)),
            **live_parts(),
        }
        return render(request, "history.html", context)


def address(view: str, query: str = "") -> str:
    """Return where a view of the history with these filters is."""
    parts = [part for part in (query, view and f"view={view}") if part]
    return reverse("history") + ("?" + "&".join(parts) if parts else "")


def _tasks(request: HttpRequest, filters: Filters, now: datetime) -> dict[str, Any]:
    found = filters.apply(Task.objects.defer("result", "trail"))
    position = _position(request, filters)
    page = page_of(found, "number", position, PAGE_TASKS)
    shown = [Shown(task, now) for task in page.rows]
    return {
        "tasks": shown,
        "days": list(_days(shown, now.date())),
        **_counts(found, page, position),
        "is_beyond": position is not None,
        "jumps_to": request.GET.get("on", ""),
        "newer": _query(filters, page.newer),
        "older": _query(filters, page.older),
    }


def _position(request: HttpRequest, filters: Filters) -> Position | None:
    """Return where in the list the page begins: at the newest where the address says
    nothing that can be meant."""
    try:
        if "at" in request.GET:
            return Position.of_cursor(request.GET["at"])
        if day := request.GET.get("on"):
            return _behind(midnight(day, filters.zone) + timedelta(days=1))
    except ValueError:
        pass
    return None


def _behind(moment: datetime) -> Position | None:
    """Return the position behind the first task of later than this, so that the page
    begins with the last one before."""
    later = Task.objects.filter(created_at__gte=moment).only("number")
    first = later.order_by("created_at", "pk").first()
    return Position.beside(first, "number", is_newer=False) if first else None


def _query(filters: Filters, position: Position | None) -> str:
    if position is None:
        return ""
    at = urlencode({"at": position.as_cursor()})
    return f"?{filters.query}&{at}" if filters.query else f"?{at}"


def _days(tasks: Iterable[Shown], today: date) -> Iterable[Day]:
    def day_of(shown: Shown) -> date:
        return timezone.localtime(shown.task.created_at).date()

    for day, of_day in groupby(tasks, day_of):
        yield Day(day_text(day, today), nearness(day, today), list(of_day))


def _counts(
    found: TaskQuerySet, page: Page, position: Position | None
) -> dict[str, str]:
    """Return in words how many tasks there are, and how many of them can be cancelled
    and run again: "" where there are none."""
    if position is None and page.older is None:
        counts = {
            "all": len(page.rows),
            "cancels": sum(OPEN.items() <= vars(task).items() for task in page.rows),
            "reruns": sum(task.has_ended for task in page.rows),
        }
    else:
        counts = found.newest_first()[: MOST_COUNTED + 1].aggregate(
            all=Count("number"),
            cancels=Count("number", filter=Q(**OPEN)),
            reruns=Count("number", filter=Q(completed_at__isnull=False)),
        )
    number = counts.pop("all")
    if number > MOST_COUNTED:
        said = _("{n}+ tasks").format(n=f"{MOST_COUNTED:,}")
    else:
        said = ngettext("{n} task", "{n} tasks", number).format(n=f"{number:,}")
    return {"count": said, **{name: _number(n) for name, n in counts.items()}}


def _number(count: int) -> str:
    if count > MOST_AT_ONCE:
        return f"{MOST_AT_ONCE:,}+"
    return f"{count:,}" if count else ""
