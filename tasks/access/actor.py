"""Who asks, what they may do, and where it is written down."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from tasks.access.rights import EVERYTHING, Rights
from tasks.access.rights import Scope as Scope
from tasks.catalog.task_type import TaskType
from tasks.models import AuditEvent, Task


@dataclass(frozen=True)
class Actor:
    """Who asks, and from which address (None: from this machine's shell, which may do
    everything)."""

    name: str
    address: str | None = None
    rights: Rights = EVERYTHING

    def may_start(self, kind: TaskType) -> bool:
        return self.rights.may_start(kind.name, asks_first=kind.confirm)

    def may_cancel(self, task: Task) -> bool:
        return self.rights.may_cancel(is_own=self.owns(task))

    def may_pin(self, task: Task) -> bool:
        return self.rights.may_pin(is_own=self.owns(task))

    def owns(self, task: Task) -> bool:
        return task.created_by == self.name

    def needs(self, scope: Scope, *, has_it: bool) -> None:
        """Raise ScopeTooSmall, naming the scope that it takes, unless they have it."""
        if not has_it:
            raise ScopeTooSmall(scope, self.rights)


# The group whose people have what a key has by the scope.
GROUP_OF = {Scope.READ: "viewer", Scope.START: "operator", Scope.ADMIN: "admin"}


class ScopeTooSmall(PermissionDenied):
    """Somebody may not do this; ``needed`` is the scope with which they might."""

    def __init__(self, needed: Scope, had: Rights) -> None:
        self.needed, self.had = needed, had
        super().__init__(self._text())

    def _text(self) -> str:
        if self.had.group:
            text = _(
                "This needs the group “%(needed)s”; you are in “%(had)s”. Someone in "
                "the group “admin” can change that."
            )
            return text % {"needed": GROUP_OF[self.needed], "had": self.had.group}
        text = _("This needs a key with the scope “%(needed)s”; yours has “%(had)s”.")
        return text % {"needed": self.needed.value, "had": self.had}


def record(actor: Actor, action: str, target: object, **details: Any) -> None:
    """Write into the audit trail; within the transaction of what it tells."""
    AuditEvent.objects.create(
        actor=actor.name[:200],
        address=actor.address,
        action=action,
        target=str(target)[:200],
        details=details,
    )
