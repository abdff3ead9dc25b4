"""The definitions by which tasks were accepted."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import connection, models
from django.utils import timezone

# A row that is as fresh as this is good for the task that is about to name it, because
# the other is far longer.
FRESH = timedelta(hours=1)
KEPT_UNUSED = timedelta(days=1)


class TaskDefinitionQuerySet(models.QuerySet["TaskDefinition"]):
    def keep(self, sha256: str, content: dict[str, Any]) -> None:
        """Have a row of this content that stays, even where no task names it yet."""
        now = timezone.now()
        if not _is_fresh(sha256, now - FRESH):
            self.bulk_create(
                [TaskDefinition(sha256=sha256, content=content, used_at=now)],
                update_conflicts=True,
                update_fields=["used_at"],
                unique_fields=["sha256"],
            )

    def unused(self) -> Self:
        """Return those that no task names, and that nobody is about to name."""
        return self.filter(used_at__lt=timezone.now() - KEPT_UNUSED, tasks=None)

    def forget(self) -> int:
        """Delete what is unused; returns how many, 0 when there are no more."""
        found = list(self.unused().values_list("pk", flat=True))
        return self.unused().filter(pk__in=found).delete()[0] if found else 0


def _is_fresh(sha256: str, since: datetime) -> bool:
    """Return whether there is a row of this digest that was used since a time."""
    # Each start of a task asks; made by the ORM it is a tenth of the request's work.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM tasks_taskdefinition WHERE sha256 = %s AND used_at > %s",
            [sha256, connection.ops.adapt_datetimefield_value(since)],
        )
        return cursor.fetchone() is not None


class TaskDefinition(models.Model):
    """A task type as it was when a task of it was accepted.

    By its digest, so that the tasks of an unchanged type share one row.
    """

    sha256 = models.CharField(max_length=64, primary_key=True)  # of the canonical JSON
    content = models.JSONField()
    used_at = models.DateTimeField(default=timezone.now)  # last, to the hour

    objects = TaskDefinitionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.content.get('name')} {self.sha256[:12]}"
