"""Which tasks are reruns of which: the chain that one task is a link of."""

from tasks.models import Task, TaskQuerySet

LONGEST = 50  # tasks of a chain that are shown
SHOWN = ("type", "version", "status", "number", "created_at", "created_by", "rerun_of")


def chain_of(task: Task) -> list[Task]:
    """The task, what it is a rerun of and what is a rerun of it, the first one first;
    only the task itself where there is no other."""
    tasks: TaskQuerySet = Task.objects.only(*SHOWN)
    before: list[Task] = []
    origin = task.rerun_of_id
    while origin is not None and len(before) < LONGEST:
        first = tasks.get(pk=origin)
        before.insert(0, first)
        origin = first.rerun_of_id
    found = {one.pk: one for one in [*before, task]}
    level = list(found)
    while level and len(found) < LONGEST:
        after = tasks.filter(rerun_of__in=level).exclude(pk__in=found)
        level = []
        for one in after.order_by("number", "pk")[: LONGEST - len(found)]:
            found[one.pk] = one
            level.append(one.pk)
    return sorted(found.values(), key=lambda one: (one.number, str(one.pk)))
