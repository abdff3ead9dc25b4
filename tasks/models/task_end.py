"""What is counted of tasks that ended, for good: retention deletes them, and a counter
that falls would be taken for a restart.

A trigger of the database writes a row for each end, in the transaction that ends the
task, by whichever door, and also where that is a release that knows of none of this.
Rows are only inserted there, so no two runners wait for each other; some at a time are
added to totals later. docs/decisions/0087-ends-of-tasks-are-counted-by-a-trigger.md
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection, models, transaction

# Upper bounds of what tasks take, in seconds.
BOUNDS = (1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
BEYOND_MS = 2**62  # the bound of what takes longer
NEVER_MS = -1  # of a task that ended without a beginning
ENDS_AT_ONCE = 1_000
# So few are read with each scrape, and spare a transaction.
FEW_ENDS = 100


class Total(NamedTuple):
    """How many ``tasks`` of a type ended in a status, with a time of at most ``le_ms``,
    and what that was in all. ``measure``: ``run`` from start to end, without the time
    that approvals took; ``wait`` from creation to start."""

    measure: str
    type: str
    status: str
    le_ms: int
    tasks: int
    sum_ms: int


class TaskEndQuerySet(models.QuerySet["TaskEnd"]):
    def forget(self) -> int:
        """Add some to the totals and delete them, where they are many; returns how
        many, 0 when there are few."""
        if len(self.order_by("pk").values_list("pk")[:FEW_ENDS]) < FEW_ENDS:
            return 0
        with transaction.atomic():
            ends = self.order_by("pk").select_for_update(skip_locked=True)
            found = list(ends[:ENDS_AT_ONCE])
            sums: Counter[tuple[str, str, str, int]] = Counter()
            counts: Counter[tuple[str, str, str, int]] = Counter()
            for total in (total for end in found for total in end.totals()):
                sums[total[:4]] += total.sum_ms
                counts[total[:4]] += 1
            with connection.cursor() as cursor:
                # In one order, or two that do this at once could wait for each other.
                for key in sorted(counts):
                    cursor.execute(ADD, [*key, counts[key], sums[key]])
            self.filter(pk__in=[end.pk for end in found]).delete()
        return len(found)


class TaskEnd(models.Model):
    """A task ended, and that is in no total yet."""

    type = models.CharField(max_length=100)
    status = models.CharField(max_length=9)
    wait_ms = models.BigIntegerField(null=True)  # None: it never started
    run_ms = models.BigIntegerField(null=True)

    objects = TaskEndQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.type} {self.status}"

    def totals(self) -> Iterator[Total]:
        """Return what it adds."""
        run_ms = None if self.run_ms is None else max(0, self.run_ms)
        yield Total("run", self.type, self.status, bound_of(run_ms), 1, run_ms or 0)
        if self.wait_ms is not None:
            wait_ms = max(0, self.wait_ms)  # a clock was set
            yield Total("wait", self.type, self.status, bound_of(wait_ms), 1, wait_ms)


class TaskTotal(models.Model):
    """A Total, of all ends that have no row any more."""

    measure = models.CharField(max_length=4)
    type = models.CharField(max_length=100)
    status = models.CharField(max_length=9)
    le_ms = models.BigIntegerField()
    count = models.BigIntegerField()
    sum_ms = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["measure", "type", "status", "le_ms"], name="task_total_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.type} {self.status} {self.count}"


TOTALS = TaskTotal._meta.db_table
ADD = f"""
    INSERT INTO {TOTALS} (measure, type, status, le_ms, count, sum_ms)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (measure, type, status, le_ms) DO UPDATE SET
        count = {TOTALS}.count + excluded.count,
        sum_ms = {TOTALS}.sum_ms + excluded.sum_ms
"""  # noqa: S608 (constants only)
# One statement, so that an end is seen either as a row or in a total.
ALL = f"""
    SELECT measure, type, status, le_ms, count, sum_ms FROM {TOTALS}
    UNION ALL
    SELECT '', type, status, wait_ms, 1, run_ms FROM {TaskEnd._meta.db_table}
"""  # noqa: S608 (constants only)


def task_totals() -> list[Total]:
    """Return all that was ever counted; several of one key are to be added."""
    with connection.cursor() as cursor:
        cursor.execute(ALL)
        rows: list[Any] = cursor.fetchall()
    found = []
    for measure, kind, status, le_ms, tasks, sum_ms in rows:
        if measure:
            found.append(Total(measure, kind, status, le_ms, tasks, sum_ms))
        else:
            end = TaskEnd(type=kind, status=status, wait_ms=le_ms, run_ms=sum_ms)
            found += end.totals()
    return found


def bound_of(ms: int | None) -> int:
    """Return the bound, in milliseconds, under which a time is counted."""
    if ms is None:
        return NEVER_MS
    return next((1_000 * each for each in BOUNDS if ms <= 1_000 * each), BEYOND_MS)
