"""Logs that outlived their tasks for a while."""

from django.db import models


class PrunedLog(models.Model):
    """The log of a task that was deleted: its lines are on their way out, a few in
    each transaction."""

    task_id = models.UUIDField(primary_key=True)

    def __str__(self) -> str:
        return str(self.task_id)
