"""How long the runs of schedules are kept."""

from datetime import datetime, timedelta

from tasks.models import ScheduleRun

# A job of every year still shows the run before; one of every minute has half a
# million rows.
KEPT = timedelta(days=400)
RUNS_FORGOTTEN_AT_ONCE = 1_000


def forget(now: datetime) -> int:
    """Delete runs that are older than KEPT, at most so many as go at once; returns how
    many."""
    old = ScheduleRun.objects.filter(due_at__lt=now - KEPT).order_by("due_at")
    doomed = list(old.values_list("pk", flat=True)[:RUNS_FORGOTTEN_AT_ONCE])
    ScheduleRun.objects.filter(pk__in=doomed).delete()
    return len(doomed)
