"""What starts by itself: when it is due next, and what came of it lately."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tasks.access.staff import actor, staff_page
from tasks.models import Schedule, ScheduleRun
from tasks.presenters.queue.pauses import shown_pauses
from tasks.presenters.schedules.rows import shown_schedules
from tasks.queue.freezes import active_freezes
from tasks.web.live import live_parts
from tasks.web.zone import zone_of

PAGE_SCHEDULES = 50
MOST_RETIRED = 50


@require_GET
@staff_page
def schedules(request: HttpRequest) -> HttpResponse:
    with timezone.override(zone_of(request)):
        return render(request, "schedules/page.html", _parts(request))


@require_GET
@staff_page
def schedules_live(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change by themselves, as HTML."""
    with timezone.override(zone_of(request)):
        return render(request, "schedules/live.html", _parts(request))


def _parts(request: HttpRequest) -> dict[str, Any]:
    in_order = Schedule.objects.with_newest_runs().order_by("name", "pk")
    found = in_order.standing()
    if (last := _last_seen(request)) is not None:
        found = found.after(last)
    rows = list(found[: PAGE_SCHEDULES + 1])
    page = rows[:PAGE_SCHEDULES]
    retired = [] if last else list(in_order.exclude(retired_at=None)[:MOST_RETIRED])
    keys = [key for schedule in [*page, *retired] for key in schedule.newest_runs()]
    runs = ScheduleRun.objects.select_related("task").in_bulk(keys)
    who = actor(request)
    return {
        "schedules": shown_schedules(page, runs, who),
        "retired": shown_schedules(retired, runs, who),
        "following": page[-1].pk if len(rows) > len(page) else None,
        "is_beyond": last is not None,
        "pauses": shown_pauses(who),
        "freezes": active_freezes(timezone.now()),
        "zone": str(zone_of(request)),
        "back": "schedules",
        **live_parts(),
    }


def _last_seen(request: HttpRequest) -> Schedule | None:
    """Return the schedule behind which the page begins; None where the address names
    none that is there."""
    try:
        key = uuid.UUID(request.GET.get("after", ""))
    except ValueError:
        return None
    return Schedule.objects.filter(pk=key).first()
