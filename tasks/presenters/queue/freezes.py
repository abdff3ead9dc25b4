"""A freeze as people read it: which types it holds, in their words."""

from dataclasses import dataclass
from datetime import datetime

from tasks.catalog.loader import catalog
from tasks.presenters.names import person
from tasks.queue.freezes import State, Window, all_freezes


@dataclass(frozen=True)
class ShownFreeze:
    """A freeze in a list."""

    window: Window
    now: datetime

    @property
    def state(self) -> State:
        return self.window.state(self.now)

    @property
    def by(self) -> str:
        """Return who made it; "" of one that repeats."""
        return person(self.window.by)

    @property
    def titles(self) -> list[str]:
        """Return what the types are called that it holds today."""
        return [
            kind.local(kind.title)
            for kind in catalog().values()
            if not kind.hidden and self.window.holds(kind.name)
        ]


def shown_freezes(now: datetime) -> dict[State, list[ShownFreeze]]:
    """Return all freezes by whether they hold, come, or are over."""
    found: dict[State, list[ShownFreeze]] = {"active": [], "coming": [], "past": []}
    for window in all_freezes(now):
        shown = ShownFreeze(window, now)
        found[shown.state].append(shown)
    return found
