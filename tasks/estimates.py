"""How long tasks of a type usually take, and are silent, by what came before."""

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from tasks.models import Task

RUNS = 20  # the newest ones count
LEAST_RUNS = 3  # fewer say nothing
LEAST_PROGRESS = 10  # percent; less says nothing of what is left


class Usual(NamedTuple):
    """How many seconds a type usually takes: the middle of its newest completed runs,
    and the fastest and the slowest of them without a tenth at each end."""

    median: float
    fast: float
    slow: float


def usual_times(types: Iterable[str]) -> dict[str, Usual]:
    """Return how long each of these types usually takes, whatever the version; types
    that hardly ever ran are left out."""
    usual: dict[str, Usual] = {}
    for name in set(types):
        done = Task.objects.filter(type=name, status=Task.Status.COMPLETED)
        times = done.newest_first().values_list("started_at", "completed_at")
        seconds = sorted(
            (ended - started).total_seconds()
            for started, ended in times[:RUNS]
            if started and ended
        )
        if len(seconds) >= LEAST_RUNS:
            cut = len(seconds) // 10
            usual[name] = Usual(median(seconds), seconds[cut], seconds[-1 - cut])
    return usual


def usual_seconds(types: Iterable[str]) -> dict[str, float]:
    """Return for each of these types the median of its newest completed runs."""
    return {name: usual.median for name, usual in usual_times(types).items()}


def seconds_left(elapsed: float, usual: float | None, progress: int) -> float | None:
    """Return how long a task still takes; None where that is not known: its type hardly
    ever ran, or it has taken longer than usual and says no progress.

    The further it is, the more its own pace counts, and the less what is usual.
    static/js/gauge.js says the same.
    """
    if usual is None:
        return None
    if progress < LEAST_PROGRESS:
        return usual - elapsed if usual > elapsed else None
    rest = 1 - progress / 100
    return rest * (elapsed + rest * usual)


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
