"""Starting something in spite of a freeze: who is asked for a reason, and what for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.models import LONGEST_REASON
from tasks.presenters.names import person
from tasks.queue.freezes import Frozen, Window, freeze_of

FIELD = "override-freeze"  # no parameter's name has a hyphen


@dataclass(frozen=True)
class Override:
    """A freeze that holds, for somebody who may start all the same with a reason."""

    window: Window
    field: str = FIELD
    wrong: str = ""

    @property
    def by(self) -> str:
        return person(self.window.by)

    def checked(self, given: Mapping[str, Any]) -> "Override":
        """Return it with what is wrong with the reason that a form gives."""
        missing = "" if reason_in(given, self.field) else _("Give the reason.")
        return replace(self, wrong=missing)


def override_of(type_name: str, actor: Actor, field: str = FIELD) -> Override | None:
    """Return the freeze for which somebody is asked for a reason; None where none
    holds. Raises Frozen for those who may override none."""
    window = freeze_of(type_name)
    if window is None:
        return None
    if not actor.rights.is_admin:
        raise Frozen(type_name, window)
    return Override(window, field)


def reason_in(given: Mapping[str, Any], field: str = FIELD) -> str | None:
    """Return the reason that a form gives; None where it gives none."""
    return str(given.get(field, "")).strip()[:LONGEST_REASON] or None
