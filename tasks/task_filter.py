"""The filter of lists of tasks, which the API and the pages share."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from tasks.models import Task, TaskQuerySet
from tasks.search import holding, holds


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks a list shows; what is empty or None leaves all."""

    type: str = ""
    statuses: tuple[str, ...] = ()
    version: str = ""
    created_since: datetime | None = None
    created_before: datetime | None = None
    created_by: str = ""  # holds this text
    text: str = ""  # anything that is searched holds it
    ids: tuple[uuid.UUID, ...] = ()  # these alone

    def apply(self, tasks: TaskQuerySet) -> TaskQuerySet:
        # An index of one status is seen by "=" alone.
        status = "status" if len(self.statuses) == 1 else "status__in"
        conditions = {
            "type": self.type,
            "version": self.version,
            status: self.statuses[0] if len(self.statuses) == 1 else self.statuses,
            "created_at__gte": self.created_since,
            "created_at__lt": self.created_before,
            "pk__in": self.ids,
        }
        tasks = tasks.filter(**{name: v for name, v in conditions.items() if v})
        if self.created_by:
            tasks = tasks.filter(holding(Task, "created_by", self.created_by))
        return tasks.filter(holds(self.text)) if self.text else tasks
