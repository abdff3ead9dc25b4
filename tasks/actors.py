"""Who asks, what they may do, and where it is written down."""

from dataclasses import dataclass
from typing import Any

from tasks.models import ApiKey, AuditEvent

Scope = ApiKey.Scope


@dataclass(frozen=True)
class Actor:
    """Who asks, and from which address (None: from this machine's shell).

    Keys have the scope that they were made with; people may do everything.
    """

    name: str
    address: str | None = None
    scope: Scope = Scope.ADMIN

    def needs(self, scope: Scope) -> None:
        """Raises ScopeTooSmall where that is more than this one may do."""
        if not self.scope.includes(scope):
            raise ScopeTooSmall(scope, self.scope)


class ScopeTooSmall(Exception):
    """A key may not do this; ``needed`` is the scope with which it might."""

    def __init__(self, needed: Scope, had: Scope) -> None:
        self.needed, self.had = needed, had
        super().__init__(f"This needs the scope {needed}; the key has {had}.")


def record(actor: Actor, action: str, target: object, **details: Any) -> None:
    """Write into the audit trail; within the transaction of what it tells."""
    AuditEvent.objects.create(
        actor=actor.name[:200],
        address=actor.address,
        action=action,
        target=str(target)[:200],
        details=details,
    )
