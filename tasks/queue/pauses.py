"""Pauses: while one is there no runner claims what it names; what runs goes on."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope, record
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.models import ALL_TYPES, LONGEST_REASON, AuditEvent, QueuePause, Task
from tasks.notifications import announce
from tasks.timestamps import iso

WHOLE_QUEUE = "queue"  # what the audit trail calls it


class PauseFacts(TypedDict):
    """What the audit trail has of a pause."""

    reason: str
    by: str
    since: str | None


def pauses() -> list[QueuePause]:
    """Return what is paused, the whole queue first."""
    return list(QueuePause.objects.order_by("type"))


def pause_of(type_name: str, among: Iterable[QueuePause]) -> QueuePause | None:
    """Return what keeps tasks of a type from being claimed; None where nothing does."""
    return next((one for one in among if one.type in {ALL_TYPES, type_name}), None)


def pause(type_name: str, reason: str, actor: Actor) -> QueuePause:
    """Have no more tasks claimed of a type, or of any (ALL_TYPES). One that is there
    already stays as it is.

    Raises ScopeTooSmall and ParameterErrors.
    """
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    _check_type(type_name)
    if len(reason) > LONGEST_REASON:
        text = _("Must be at most %(most)s characters.") % {"most": LONGEST_REASON}
        raise ParameterErrors({"reason": [text]})
    with transaction.atomic():
        made, is_new = QueuePause.objects.get_or_create(
            type=type_name,
            defaults={
                "reason": reason.strip().replace("\0", "\N{REPLACEMENT CHARACTER}"),
                "paused_at": timezone.now(),
                "paused_by": actor.name[:200],
            },
        )
        if is_new:
            action = AuditEvent.Action.QUEUE_PAUSED
            target = type_name or WHOLE_QUEUE
            record(actor, action, target, before=None, after=_facts(made))
            _tell_those_that_wait(type_name)
    return made


def resume(type_name: str, actor: Actor) -> bool:
    """End the pause of a type, or that of the whole queue (ALL_TYPES), which leaves
    those of single types. False where there was none.

    Raises ScopeTooSmall.
    """
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    with transaction.atomic():
        found = QueuePause.objects.select_for_update().filter(type=type_name).first()
        if found is None:
            return False
        facts = _facts(found)
        found.delete()
        action = AuditEvent.Action.QUEUE_RESUMED
        target = type_name or WHOLE_QUEUE
        record(actor, action, target, before=facts, after=None)
        _tell_those_that_wait(type_name)
    return True


MOST_TOLD = 200  # waiting tasks whose viewers are told at once; others look by and by


def _tell_those_that_wait(type_name: str) -> None:
    """Announce that what waits may run, or may not any more."""
    waiting = Task.objects.pending()
    if type_name:
        waiting = waiting.filter(type=type_name)
    in_order = waiting.order_by("number", "id")
    announce(in_order.values_list("pk", flat=True)[:MOST_TOLD], queue=True)


def _check_type(type_name: str) -> None:
    if type_name and type_name not in catalog():
        there = ", ".join(sorted(catalog()))
        text = _("There is no task type “%(name)s”; there are: %(names)s.")
        problem = text % {"name": type_name[:100], "names": there}
        raise ParameterErrors({"type": [problem]})


def _facts(pause: QueuePause) -> PauseFacts:
    since: datetime = pause.paused_at
    return {"reason": pause.reason, "by": pause.paused_by, "since": iso(since)}
