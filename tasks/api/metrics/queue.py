"""Tasks that wait, run, or await an approval, and the runners that take them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from tasks.models import CRASH_MINUTES, Approval, QueuePause, Runner, Task
from tasks.timestamps import seconds_since
from tasks.waiting import waiting_by_reason


def measured() -> Iterator[Metric]:
    yield _by_status()
    yield from _waiting()
    yield from _runners_and_running()
    approvals = Approval.objects.undecided().order_by()
    yield GaugeMetricFamily(
        "resource_sync_oldest_approval_seconds",
        "How long the oldest undecided approval has waited; 0 where there is none.",
        value=seconds_since(approvals.aggregate(oldest=Min("asked_at"))["oldest"]),
    )
    yield GaugeMetricFamily(
        "resource_sync_queue_pauses",
        "What is paused: the queue, or types of tasks.",
        value=QueuePause.objects.count(),
    )


def _by_status() -> Metric:
    tasks = GaugeMetricFamily(
        "resource_sync_tasks", "Tasks kept, by status.", labels=["status"]
    )
    counts = dict(Task.objects.order_by().values_list("status").annotate(Count("id")))
    for status in Task.Status.values:
        tasks.add_metric([status], counts.get(status, 0))
    return tasks


def _waiting() -> Iterator[Metric]:
    oldest: Any = Task.objects.pending().aggregate(oldest=Min("created_at"))
    yield GaugeMetricFamily(
        "resource_sync_oldest_pending_seconds",
        "How long the oldest waiting task has waited.",
        value=seconds_since(oldest["oldest"]),
    )
    waiting = GaugeMetricFamily(
        "resource_sync_tasks_waiting",
        "Tasks that wait to start, by what for.",
        labels=["type", "reason"],
    )
    for (kind, reason), count in sorted(waiting_by_reason().items()):
        waiting.add_metric([kind, reason], count)
    yield waiting


def _runners_and_running() -> Iterator[Metric]:
    columns = ("runner_id", "started_at", "stalled_since")
    running = list(Task.objects.running().order_by().values_list(*columns))
    busy = Counter(runner_id for runner_id, _, _ in running)
    yield GaugeMetricFamily(
        "resource_sync_oldest_running_seconds",
        "How long ago the oldest running task started; 0 where none runs.",
        value=seconds_since(min((at for _, at, _ in running if at), default=None)),
    )
    yield GaugeMetricFamily(
        "resource_sync_tasks_stalled",
        "Running tasks whose step has been silent for longer than its type allows.",
        value=sum(since is not None for _, _, since in running),
    )
    alive = list(Runner.objects.alive().order_by().only("id", "name", "concurrency"))
    slots = GaugeMetricFamily(
        "resource_sync_runner_slots",
        "How many tasks a runner that is alive runs at a time.",
        labels=["runner"],
    )
    used = GaugeMetricFamily(
        "resource_sync_runner_busy_slots",
        "How many it runs now.",
        labels=["runner"],
    )
    # Two runners may have one name.
    all_slots: Counter[str] = Counter()
    all_used: Counter[str] = Counter()
    for runner in alive:
        all_slots[runner.name] += runner.concurrency
        all_used[runner.name] += busy[runner.pk]
    for name in sorted(all_slots):
        slots.add_metric([name], all_slots[name])
        used.add_metric([name], all_used[name])
    yield slots
    yield used
    yield GaugeMetricFamily(
        "resource_sync_runners_alive",
        "Runners with a sign of life within the lease.",
        value=len(alive),
    )
    yield GaugeMetricFamily(
        "resource_sync_runner_crashes",
        f"Runners that crashed within the last {CRASH_MINUTES} minutes.",
        value=Runner.objects.crashed_lately().count(),
    )
