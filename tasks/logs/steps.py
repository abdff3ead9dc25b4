"""The steps of a task in its log: where each begins, and what came of it."""

from itertools import pairwise
from typing import Any, TypedDict

from tasks.catalog.definitions import type_of
from tasks.models import Task, step_starts


class LogStep(TypedDict):
    """A step, or one attempt of a step that was tried again."""

    index: int  # from 1
    name: str
    attempt: int
    exitCode: int | None  # None while it runs, and of one that was ended by a signal
    durationMs: int | None
    hasEnded: bool


def steps_by_line(task: Task) -> dict[int, LogStep]:
    """Return the steps of a task by the number of each one's first line."""
    names = {change[1]: change[2] for change in task.trail}
    found: dict[int, LogStep] = {}
    last = attempt = 0
    for index, seq in step_starts(task.trail):
        attempt = attempt + 1 if index == last else 1
        found[seq] = _begun(index, names[index], attempt)
        last = index
    _close(task, list(found.values()))
    return found


def _begun(index: int, name: str, attempt: int) -> LogStep:
    return LogStep(
        index=index,
        name=name,
        attempt=attempt,
        exitCode=None,
        durationMs=None,
        hasEnded=False,
    )


def _close(task: Task, steps: list[LogStep]) -> None:
    """Say how steps ended: by the task's result, or while it runs by what follows."""
    for step, following in pairwise(steps):
        step["hasEnded"] = True
        if step["index"] < following["index"] and not _may_fail(task, step["index"]):
            step["exitCode"] = 0
    results: list[dict[str, Any]] = (task.result or {}).get("results", [])
    # Those of the last time that it ran; what it did before a crash has no results.
    for step, result in zip(reversed(steps), reversed(results), strict=False):
        step["hasEnded"] = True
        step["exitCode"] = result.get("exitCode")
        step["durationMs"] = result.get("durationMs")
    if task.has_ended and steps:
        steps[-1]["hasEnded"] = True


def _may_fail(task: Task, index: int) -> bool:
    """Return whether a step may fail and the task goes on; also where nobody knows."""
    kind = type_of(task)
    if kind is None or index > len(kind.steps):
        return True
    return kind.steps[index - 1].continue_on_error
