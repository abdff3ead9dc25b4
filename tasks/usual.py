"""How long tasks of a type usually take, from those that have completed."""

from statistics import median

from tasks.models import Task

LAST_TASKS = 20
FEWEST_TASKS = 3  # of fewer nothing is said


def usual_seconds(task_type: str) -> float | None:
    """The median of the last completed tasks of a type; None where there are too few
    to say anything."""
    completed = Task.objects.filter(type=task_type, status=Task.Status.COMPLETED)
    times = completed.newest_first().values_list("started_at", "completed_at")
    seconds = [
        (ended - started).total_seconds()
        for started, ended in times[:LAST_TASKS]
        if started and ended
    ]
    return median(seconds) if len(seconds) >= FEWEST_TASKS else None
