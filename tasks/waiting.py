"""What waiting tasks wait for: found out for one as for a whole page of them, by the
same few queries."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from django.db import connection
from django.db.models import Q, Window
from django.db.models.functions import RowNumber

from tasks.catalog.labels import has_all
from tasks.catalog.loader import catalog
from tasks.models import ALL_TYPES, QueuePause, Runner, Task

Reason = Literal["paused", "runner", "lock", "limit", "turn"]


class WaitingFor(NamedTuple):
    """Why a task does not run yet, the first of these that holds:

    paused  somebody paused the queue, or its type: ``pause`` says who
    runner  no living runner takes its type
    lock    another task (``task_id``) holds its lock, while it runs or awaits an
            approval, or is before it for the same
    limit   as many tasks of its type run as may
    turn    anything else: every runner is busy, or it starts in a moment

    ``position`` is its place among all that wait, 1 is next; ``message`` one sentence.
    ``task`` is that other task; ``labels`` what the type needs and no living runner
    has; ``most`` how many may run: of its type, or on all
    runners together where each is busy.
    """

    reason: Reason
    position: int
    task_id: uuid.UUID | None
    message: str
    task: Task | None = None
    most: int | None = None
    pause: QueuePause | None = None
    labels: tuple[str, ...] = ()


def waiting_for(task: Task) -> WaitingFor | None:
    """Return what a task waits for; None where it does not wait."""
    return waiting_for_all([task]).get(task.pk)


def would_wait_for(type_name: str, lock: str | None) -> WaitingFor | None:
    """Return what a task would wait for that is made now; None where a runner has a
    free slot for it. Nothing is stored."""
    last = Task.objects.order_by("-number").values_list("number", flat=True).first()
    task = Task(type=type_name, lock=lock, number=(last or 0) + 1)
    waiting = _Queue([task]).explain(task)
    return None if waiting.reason == "turn" and waiting.most is None else waiting


def waiting_for_all(tasks: Iterable[Task]) -> Mapping[uuid.UUID, WaitingFor]:
    """Return what each waiting task among these waits for: six queries at most,
    and none where none of them waits."""
    waiting = [task for task in tasks if task.status == Task.Status.PENDING]
    if not waiting:
        return {}
    queue = _Queue(waiting)
    return {task.pk: queue.explain(task) for task in waiting}


def waiting_by_reason() -> Counter[tuple[str, Reason]]:
    """Return how many tasks wait, by their type and what they wait for."""
    columns = ("type", "version", "lock", "status", "created_by")
    waiting = list(Task.objects.pending().order_by("number", "id").only(*columns))
    if not waiting:
        return Counter()
    queue = _Queue(waiting, has_positions=False)
    return Counter((task.type, queue.explain(task).reason) for task in waiting)


class _Queue:
    """The queue as these tasks find it."""

    def __init__(self, waiting: list[Task], *, has_positions: bool = True) -> None:
        self._positions = _positions(waiting) if has_positions else {}
        self._pauses = {pause.type: pause for pause in QueuePause.objects.all()}
        takes = ("concurrency", "types", "known_types", "labels")
        self._runners = list(Runner.objects.alive().only(*takes))
        columns = ("type", "version", "lock", "created_by", "status")
        holders = Task.objects.filter(
            Q(status=Task.Status.RUNNING) | Q(keeps_lock=True)
        )
        found = list(holders.only(*columns).order_by())
        self._running = [one for one in found if one.status == Task.Status.RUNNING]
        self._running_of_type = Counter(task.type for task in self._running)
        held = {task.lock: task for task in found if task.lock is not None}
        wanted = {task.lock for task in waiting if task.lock is not None}
        self._first_for_lock = held | _oldest_for(wanted - held.keys())

    def explain(self, task: Task) -> WaitingFor:
        position = self._positions.get(task.pk, 1)  # it may have started meanwhile
        pause = self._pauses.get(ALL_TYPES) or self._pauses.get(task.type)
        if pause is not None:
            what = "The type" if pause.type else "The queue"
            why = f": {pause.reason}" if pause.reason else "."
            message = f"{what} is paused by {pause.paused_by}{why}"
            return WaitingFor("paused", position, None, message, pause=pause)
        if not self._runners:
            message = "Waiting: no runner is active."
            return WaitingFor("runner", position, None, message)
        taken = [runner.takes for runner in self._runners]
        if not any(types is None or task.type in types for types in taken):
            missed = self._missed_labels(task.type)
            message = "Waiting: no active runner accepts this type."
            if missed:
                names = ", ".join(missed)
                message = f"Waiting: no active runner has these labels: {names}."
            return WaitingFor("runner", position, None, message, labels=missed)
        first = None if task.lock is None else self._first_for_lock.get(task.lock)
        if first is not None and first.pk != task.pk:
            message = f"Waiting for {first} to finish."
            if first.status == Task.Status.BLOCKED:
                message = f"Waiting for {first}, which awaits an approval."
            return WaitingFor("lock", position, first.pk, message, task=first)
        kind = catalog().get(task.type)
        limit = kind.max_running if kind else None
        if limit is not None and self._running_of_type[task.type] >= limit:
            some = f"{limit} tasks" if limit > 1 else "1 task"
            message = f"Waiting: at most {some} of this type run at a time."
            return WaitingFor("limit", position, None, message, most=limit)
        places = sum(runner.concurrency for runner in self._runners)
        is_busy = len(self._running) >= places
        if not is_busy:
            return WaitingFor("turn", position, None, "Starting in a moment.")
        message = "Waiting: all runners are busy."
        return WaitingFor("turn", position, None, message, most=places)

    def _missed_labels(self, type_name: str) -> tuple[str, ...]:
        """Return the labels that a type needs, where no living runner has them all."""
        kind = catalog().get(type_name)
        wanted = kind.labels if kind else ()
        found = any(has_all(runner.labels or (), wanted) for runner in self._runners)
        return () if found else wanted


def _positions(waiting: list[Task]) -> dict[uuid.UUID, int]:
    """Each one's place in the queue. Only what is between the first and the last of
    them is numbered; what is before is counted, which takes the index alone."""
    numbers = [task.number for task in waiting]
    first, last = min(numbers), max(numbers)
    before = Task.objects.pending().filter(number__lt=first).count()
    place = Window(RowNumber(), order_by=["number", "id"])
    near = Task.objects.pending().filter(number__range=(first, last))
    numbered = near.annotate(place=place).values("id", "place")
    sql, values = numbered.query.sql_with_params()
    ids = [Task._meta.pk.get_db_prep_value(task.pk, connection) for task in waiting]
    places = ", ".join(["%s"] * len(ids))
    # The ORM would look for the ids first, and number what it found.
    found: Any = Task.objects.raw(
        f"SELECT * FROM ({sql}) AS numbered WHERE id IN ({places})",  # noqa: S608
        [*values, *ids],
    )
    return {task.pk: before + task.place for task in found}


def _oldest_for(locks: set[str]) -> dict[str, Task]:
    """For each of these locks the oldest task that waits for it."""
    if not locks:
        return {}
    place = Window(RowNumber(), partition_by="lock", order_by=["number", "id"])
    waiting = Task.objects.pending().filter(lock__in=locks).annotate(place=place)
    columns = ("type", "version", "lock", "created_by", "status")
    oldest = waiting.filter(place=1).only(*columns)
    return {task.lock: task for task in oldest if task.lock is not None}
