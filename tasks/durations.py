"""How long tasks of a type usually take, by what they took before."""

from collections.abc import Iterable
from statistics import median

from tasks.models import Task

RUNS = 20  # the newest ones count
LEAST_RUNS = 3  # fewer say nothing


def usual_seconds(types: Iterable[str]) -> dict[str, float]:
    """For each of these types the median of its newest completed runs, whatever their
    version; types that hardly ever ran are left out."""
    usual: dict[str, float] = {}
    for name in set(types):
        done = Task.objects.filter(type=name, status=Task.Status.COMPLETED)
        times = done.newest_first().values_list("started_at", "completed_at")
        seconds = [
            (ended - started).total_seconds()
            for started, ended in times[:RUNS]
            if started and ended
        ]
        if len(seconds) >= LEAST_RUNS:
            usual[name] = median(seconds)
    return usual
