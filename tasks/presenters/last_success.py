"""The last task of a type that completed before another one."""

from tasks.models import Task


def last_success(task: Task) -> Task | None:
    """Return the newest completed task of this one's type that was accepted before it;
    None where there is none."""
    before = Task.objects.filter(
        type=task.type, status=Task.Status.COMPLETED, number__lt=task.number
    )
    return before.newest_first().defer("result", "trail").first()
