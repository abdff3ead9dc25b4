"""The trail of a task: each change of its step, its progress or its stall."""

from typing import Any

from tasks.catalog.patterns import Match
from tasks.catalog.task_type import TaskType

# Lines so far, the step's index from 1, its name, the task's progress, and while it is
# silent the milliseconds since 1970 of its last output: as in ``Task.trail``.
Change = tuple[int, int, str, int, int | None]


def first_change(kind: TaskType | None, step: int = 1) -> Change:
    """Return where a task stands when it starts to run, as in ``Task.trail``; ``step``:
    at which one, 1 is the first."""
    steps = kind.steps if kind else ()
    return (0, step, steps[step - 1].name if step <= len(steps) else "", 0, None)


class Trail:
    """The changes so far, and the progress in percent."""

    def __init__(
        self, kind: TaskType, changes: list[Any] | None, progress: int
    ) -> None:
        first = changes or [first_change(kind)]
        self.changes: list[Change] = [tuple(change) for change in first]
        self.progress = progress
        self._steps = kind.steps
        self._weights = [step.weight for step in kind.steps]

    def set_progress(self, percent_of_step: float, index: int) -> bool:
        """Take in how far a step is; return whether that moved the task on. It never
        goes back, and is 100 only at the end."""
        done = sum(self._weights[:index])
        done += self._weights[index] * percent_of_step / 100
        progress = min(99, int(100 * done / sum(self._weights) + 0.5))
        if progress <= self.progress:
            return False
        self.progress = progress
        return True

    def note(
        self, line_count: int, index: int, stalled_ms: int | None, *, again: bool
    ) -> None:
        """Add how things are, where they are not as before; ``again``: also then."""
        name = self._steps[index].name
        change = (line_count, index + 1, name, self.progress, stalled_ms)
        if again or self.changes[-1][1:] != change[1:]:
            self.changes.append(change)


def percentage(found: Match) -> float:
    """Percent done, from a match of a step's ``progress_pattern``; 0 where it says
    nothing that can be."""
    groups = found.groupdict()
    try:
        if "percent" in groups:
            percent = float(groups["percent"])
        else:
            percent = 100 * float(groups["done"]) / float(groups["total"])
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return percent if 0 <= percent <= 100 else 0.0
