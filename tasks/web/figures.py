"""The history's second tab: how often each type succeeds, and how long it takes."""

from datetime import datetime, timedelta
from typing import Any

from tasks.catalog.loader import catalog
from tasks.models import Task
from tasks.presenters.statistics import MOST_RUNS, statistics_of
from tasks.presenters.strip import HEIGHT, TALL, Span, Strip
from tasks.web.filters import Filters

DAYS = 30  # where no first day is chosen
DRAWN_BESIDE_OTHERS = 200  # of a type among others: the newest, so that a page is small


def figures(filters: Filters, now: datetime) -> dict[str, Any]:
    """Of each type, or of the one that is chosen, and then day by day."""
    chosen = filters["type"]
    span = span_of(filters, now)
    ended = filters.apply(Task.objects.finished()).filter(created_at__gte=span.begin)
    most, height = (MOST_RUNS, TALL) if chosen else (DRAWN_BESIDE_OTHERS, HEIGHT)
    found = statistics_of([chosen] if chosen else catalog(), ended)
    return {
        "strips": [Strip(each, span, most, height) for each in found],
        "span": span,
        "with_days": bool(chosen),
        "since_days": "" if filters.since else DAYS,
        "most_runs": MOST_RUNS,
    }


def span_of(filters: Filters, now: datetime) -> Span:
    """Return from when to when figures are shown, in the filters' zone."""
    end = min(filters.before, now) if filters.before else now
    today = end.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = filters.since or today - timedelta(days=DAYS - 1)
    return Span(begin, max(end, begin + timedelta(hours=1)))
