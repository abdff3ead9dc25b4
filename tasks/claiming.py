"""Takes a task from the queue, so that no other runner does."""

from contextlib import suppress

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from tasks.catalog import catalog
from tasks.execution import first_change
from tasks.models import Runner, StatusConflict, Task
from tasks.news import announce


def claim(runner: Runner) -> Task | None:
    """Move the oldest task that may run now to ``running``, in this runner's name."""
    while True:
        with transaction.atomic():
            queue = Task.objects.next_in_queue(runner.types)
            if connection.features.has_select_for_update_skip_locked:
                queue = queue.select_for_update(skip_locked=True, of=("self",))
            task = queue.first()
            if task is None:
                return None
            first = first_change(catalog().get(task.type))
            with suppress(StatusConflict, IntegrityError), transaction.atomic():
                Task.objects.move(
                    task.pk,
                    Task.Status.PENDING,
                    Task.Status.RUNNING,
                    runner=runner,
                    started_at=Now(),
                    step_index=1,
                    step_name=first[2],
                    trail=[first],
                )
                announce([task.pk])
                return task
