"""Tasks that have ended, counted for good."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from tasks.catalog.loader import catalog
from tasks.models import BOUNDS, Task, task_totals

Key = tuple[str, ...]


def measured() -> Iterator[Metric]:
    totals = task_totals()
    finished = CounterMetricFamily(
        "resource_sync_tasks_finished",
        "Tasks that have ended.",
        labels=["type", "status"],
    )
    # Each is there from the start, or its first failure would not be seen as a rise.
    counts: Counter[Key] = Counter(
        {(name, status): 0 for name in catalog() for status in Task.ENDED}
    )
    run = _Histogram(
        "resource_sync_task_seconds",
        "From a task's start to its end, without the time that approvals took.",
        ["type", "status"],
    )
    wait = _Histogram(
        "resource_sync_task_wait_seconds",
        "From a task's creation to its start.",
        ["type"],
    )
    for total in totals:
        if total.measure == "wait":
            wait.add((total.type,), total.le_ms, total.tasks, total.sum_ms)
            continue
        counts[total.type, total.status] += total.tasks
        if total.le_ms >= 0:  # it had started
            key = (total.type, total.status)
            run.add(key, total.le_ms, total.tasks, total.sum_ms)
    for (kind, status), count in sorted(counts.items()):
        finished.add_metric([kind, status], count)
    yield finished
    yield run.family()
    yield wait.family()


class _Histogram:
    """Counts by bound, until they are all there."""

    def __init__(self, name: str, documentation: str, labels: list[str]) -> None:
        self._family = HistogramMetricFamily(name, documentation, labels=labels)
        self._counts: defaultdict[Key, Counter[int]] = defaultdict(Counter)
        self._sums: Counter[Key] = Counter()

    def add(self, key: Key, le_ms: int, count: int, sum_ms: int) -> None:
        self._counts[key][le_ms] += count
        self._sums[key] += sum_ms

    def family(self) -> HistogramMetricFamily:
        """Return it; bounds of another version count under the next of today's."""
        for key, counts in sorted(self._counts.items()):
            buckets = [
                (
                    str(float(bound)),
                    sum(n for le_ms, n in counts.items() if le_ms <= 1_000 * bound),
                )
                for bound in BOUNDS
            ]
            buckets.append(("+Inf", counts.total()))
            self._family.add_metric(list(key), buckets, self._sums[key] / 1_000)
        return self._family
