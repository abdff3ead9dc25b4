"""How long tasks of a type usually take, and are silent, by what came before."""

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


def usual_silences(type_name: str) -> dict[str, float]:
    """For each step of a type the longest silence, in seconds, that its newest
    completed runs had there; steps that hardly ever ran are left out."""
    done = Task.objects.filter(type=type_name, status=Task.Status.COMPLETED)
    runs = done.newest_first().values_list("result__results", flat=True)[:RUNS]
    found: dict[str, list[float]] = {}
    for results in runs:
        run: dict[str, float] = {}
        for entry in results or ():
            milliseconds = entry.get("longestSilenceMs")
            # An attempt that failed may have hung until its time was over.
            if milliseconds is not None and entry.get("exitCode") == 0:
                name = entry["name"]
                run[name] = max(milliseconds / 1000, run.get(name, 0))
        for name, seconds in run.items():
            found.setdefault(name, []).append(seconds)
    return {
        name: max(seconds)
        for name, seconds in found.items()
        if len(seconds) >= LEAST_RUNS
    }
