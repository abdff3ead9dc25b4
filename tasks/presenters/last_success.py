"""What a task that failed can be compared with."""

from tasks.models import Task


def last_success(task: Task) -> Task | None:
    """Return the last completed task of the same type before this one; None where
    there is none."""
    earlier = Task.objects.filter(type=task.type, number__lt=task.number)
    completed = earlier.filter(status=Task.Status.COMPLETED)
    return completed.defer("result", "trail").newest_first().first()
