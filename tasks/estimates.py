"""How long tasks of a type usually take, and are silent, by what came before."""

import uuid
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

from tasks.models import Task

RUNS = 20  # the newest ones count
LEAST_RUNS = 3  # fewer say nothing
LEAST_PROGRESS = 10  # percent; less says nothing of what is left


# What the steps of one task came to: the entries of its result.
Run = Iterable[Mapping[str, Any]]


class Usual(NamedTuple):
    """How many seconds a type or a step usually takes: the middle of its newest
    completed runs, and the fastest and the slowest of them without a tenth at each
    end."""

    median: float
    fast: float
    slow: float


def usual_times(types: Iterable[str]) -> dict[str, Usual]:
    """Return how long each of these types usually takes, whatever the version; types
    that hardly ever ran are left out."""
    usual: dict[str, Usual] = {}
    for name in set(types):
        done = Task.objects.filter(type=name, status=Task.Status.COMPLETED)
        columns = ("started_at", "completed_at", "approval_ms")
        times = done.newest_first().values_list(*columns)
        found = _usual(
            (ended - started).total_seconds() - approval_ms / 1000
            for started, ended, approval_ms in times[:RUNS]
            if started and ended
        )
        if found is not None:
            usual[name] = found
    return usual


def _usual(seconds: Iterable[float]) -> Usual | None:
    times = sorted(seconds)
    if len(times) < LEAST_RUNS:
        return None
    cut = len(times) // 10
    return Usual(median(times), times[cut], times[-1 - cut])


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


def past_runs(type_name: str, but: uuid.UUID | None = None) -> list[Run]:
    """Return what the steps of a type's newest completed runs came to, by one query;
    ``but``: a task that is compared with the others."""
    done = Task.objects.filter(type=type_name, status=Task.Status.COMPLETED)
    if but is not None:
        done = done.exclude(pk=but)
    results = done.newest_first().values_list("result__results", flat=True)
    return [run or () for run in results[:RUNS]]


def usual_step_times(runs: Iterable[Run]) -> dict[str, Usual]:
    """Return how long each step usually takes; steps that hardly ever ran are left
    out."""
    times = _by_step(runs, "durationMs")
    usual = {name: _usual(seconds) for name, seconds in times.items()}
    return {name: found for name, found in usual.items() if found is not None}


def usual_silences(runs: Iterable[Run]) -> dict[str, float]:
    """For each step the longest silence, in seconds, that these runs had there; steps
    that hardly ever ran are left out."""
    times = _by_step(runs, "longestSilenceMs")
    return {
        name: max(seconds)
        for name, seconds in times.items()
        if len(seconds) >= LEAST_RUNS
    }


def _by_step(runs: Iterable[Run], what: str) -> dict[str, list[float]]:
    """Return one number of seconds for each run of a step, the largest of several."""
    found: dict[str, list[float]] = {}
    for entries in runs:
        run: dict[str, float] = {}
        for entry in entries:
            milliseconds = entry.get(what)
            # An attempt that failed may have hung until its time was over.
            if milliseconds is not None and entry.get("exitCode") == 0:
                name = entry["name"]
                run[name] = max(milliseconds / 1000, run.get(name, 0))
        for name, seconds in run.items():
            found.setdefault(name, []).append(seconds)
    return found
