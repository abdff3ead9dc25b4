"""Who asks, what they may do, and where it is written down."""

import logging
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from tasks.access.rights import EVERYTHING, Rights
from tasks.access.rights import Scope as Scope
from tasks.catalog.task_type import TaskType
from tasks.models import AuditEvent, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Actor:
    """Who asks, and from which address (None: from this machine's shell, which may do
    everything)."""

    name: str
    address: str | None = None
    rights: Rights = EVERYTHING

    def may_start(self, kind: TaskType) -> bool:
        return self.rights.may_start(kind)

    def needs_start_of(self, kind: TaskType) -> None:
        """Raise NotAllowed or ScopeTooSmall unless they may start a type."""
        if kind.allow and not self.may_start(kind):
            raise NotAllowed(kind, self.rights)
        needed = Scope.ADMIN if kind.confirm else Scope.START
        self.needs(needed, has_it=self.may_start(kind))

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


class NotAllowed(ScopeTooSmall):
    """Somebody is in none of the groups that a type allows to start it."""

    def __init__(self, kind: TaskType, had: Rights) -> None:
        self.kind = kind
        super().__init__(Scope.START, had)

    def _text(self) -> str:
        title = self.kind.local(self.kind.title)
        if not self.had.group:
            text = _(
                "“%(type)s” takes a key that names it, with the scope "
                "“start:%(name)s”; yours has “%(had)s”."
            )
            names = {"type": title, "name": self.kind.name, "had": self.had}
            return text % names
        text = _(
            "Only people in these groups start “%(type)s”: %(groups)s. Someone in the "
            "group “admin” can add you to one."
        )
        return text % {"type": title, "groups": ", ".join(self.kind.allow)}


def record(actor: Actor, action: str, target: object, **details: Any) -> None:
    """Write into the audit trail; within the transaction of what it tells."""
    AuditEvent.objects.create(
        actor=actor.name[:200],
        address=actor.address,
        action=action,
        target=str(target)[:200],
        details=details,
    )
    # With the request's id, by which the proxy's log says more.
    logger.info("Act: %s %s by %s", action, str(target)[:200], actor.name[:200])
