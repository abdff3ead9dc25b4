"""Freezes: when nothing of some types may be started, and why.

What was accepted before a freeze began runs: docs/decisions/0070.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Literal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope, record
from tasks.catalog.freezes import TAKES_PATTERN, TYPE_PATTERN
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.models import LONGEST_REASON, AuditEvent, Freeze
from tasks.timestamps import iso

MOST_PAST = 50  # freezes that are over and are shown
TIMES_AHEAD = 2  # of one that repeats, beside the time that holds or comes next
MOST_TYPES = 100  # patterns of one freeze

State = Literal["active", "coming", "past"]


@dataclass(frozen=True)
class Window:
    """A freeze from when until when; ``freeze`` is None of one that repeats."""

    types: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime
    reason: str
    freeze: Freeze | None = None
    # When one that repeats holds the next times.
    again: tuple[tuple[datetime, datetime], ...] = ()

    @classmethod
    def of(cls, freeze: Freeze) -> "Window":
        types = tuple(freeze.types)
        return cls(types, freeze.begins_at, freeze.ends_at, freeze.reason, freeze)

    @property
    def is_repeating(self) -> bool:
        return self.freeze is None

    @property
    def by(self) -> str:
        """Return who made it; "" of one that repeats."""
        return self.freeze.created_by if self.freeze else ""

    def holds(self, type_name: str) -> bool:
        return any(fnmatchcase(type_name, pattern) for pattern in self.types)

    def state(self, now: datetime) -> State:
        if self.begins_at > now:
            return "coming"
        return "active" if self.ends_at > now else "past"


class Frozen(Exception):
    """Nothing of a type may be started now."""

    def __init__(self, type_name: str, window: Window) -> None:
        self.type_name, self.window = type_name, window
        super().__init__(type_name)

    def __str__(self) -> str:
        text = _("“%(type)s” is frozen until %(until)s: %(reason)s")
        return text % {
            "type": self.type_name,
            "until": f"{self.window.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "reason": self.window.reason,
        }


class NoSuchFreeze(LookupError):
    """There is no freeze of that id that could be ended."""


def active_freezes(now: datetime) -> list[Window]:
    """Return the freezes that hold now, the one that ends last first."""
    found = [Window.of(freeze) for freeze in Freeze.objects.active(now)]
    found += [one for one in _repeating(now) if one.begins_at <= now]
    return sorted(found, key=lambda one: one.ends_at, reverse=True)


def all_freezes(now: datetime) -> list[Window]:
    """Return those that hold, those to come, and the newest that are over; of one that
    repeats the time that holds, or the next."""
    coming = [Window.of(freeze) for freeze in Freeze.objects.coming(now)]
    coming += [one for one in _repeating(now) if one.begins_at > now]
    past = [Window.of(freeze) for freeze in Freeze.objects.past(now)[:MOST_PAST]]
    in_order = sorted(coming, key=lambda one: one.begins_at)
    return [*active_freezes(now), *in_order, *past]


def freeze_of(type_name: str, freezes: Iterable[Window] | None = None) -> Window | None:
    """Return what keeps a type from being started now, the one that ends last;
    ``freezes``: those that hold, where that was asked before."""
    if freezes is None:
        freezes = active_freezes(timezone.now())
    return next((one for one in freezes if one.holds(type_name)), None)


def check_frozen(type_name: str, actor: Actor, override: str | None) -> Window | None:
    """Return the freeze that somebody overrides, None where there is none.

    Raises Frozen, and ScopeTooSmall where they may override none.
    """
    if override is not None:
        actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    window = freeze_of(type_name)
    if window is not None and not override:
        raise Frozen(type_name, window)
    return window


def checked_override(given: object) -> str:
    """Return the reason for which a freeze is overridden. Raises ParameterErrors."""
    return _reason({"overrideFreeze": given}, "overrideFreeze")


def _repeating(now: datetime) -> list[Window]:
    found = []
    for freeze in catalog().freezes:
        first, *again = islice(freeze.windows(now), 1 + TIMES_AHEAD)
        found.append(Window(freeze.types, *first, freeze.reason, again=tuple(again)))
    return found


# --- What people do -----------------------------------------------------------------


def freeze(
    types: object, begins_at: datetime, ends_at: datetime, reason: object, actor: Actor
) -> Window:
    """Make a freeze. Raises ScopeTooSmall, and ParameterErrors by the API's names."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    errors: dict[str, list[str]] = {}
    if problem := _problem_of(types):
        errors["types"] = [problem]
    if ends_at <= begins_at:
        errors["until"] = [_("Must be later than “from”.")]
    elif ends_at <= timezone.now():
        errors["until"] = [_("Must be in the future.")]
    try:
        text = _reason({"reason": reason}, "reason")
    except ParameterErrors as error:
        errors |= error.errors
    if errors:
        raise ParameterErrors(errors)
    with transaction.atomic():
        made = Freeze.objects.create(
            types=types,
            begins_at=begins_at,
            ends_at=ends_at,
            reason=text,
            created_at=timezone.now(),
            created_by=actor.name[:200],
        )
        facts = _facts(made)
        action = AuditEvent.Action.FREEZE_MADE
        record(actor, action, made.pk, before=None, after=facts)
    return Window.of(made)


def unfreeze(freeze_id: uuid.UUID, actor: Actor) -> None:
    """End a freeze, or take back one to come. Raises ScopeTooSmall and NoSuchFreeze."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    with transaction.atomic():
        found = Freeze.objects.select_for_update().filter(pk=freeze_id).first()
        if found is None:
            raise NoSuchFreeze
        facts = _facts(found)
        found.delete()
        action = AuditEvent.Action.FREEZE_ENDED
        record(actor, action, freeze_id, before=facts, after=None)


def _problem_of(types: object) -> str:
    """Return what is wrong with the types of a freeze; "" where nothing is."""
    if not isinstance(types, list) or not 0 < len(types) <= MOST_TYPES:
        return _("Must be a list of %(takes)s.") % {"takes": TAKES_PATTERN}
    for pattern in types:
        if not isinstance(pattern, str) or not TYPE_PATTERN.fullmatch(pattern):
            return _("Must be a list of %(takes)s.") % {"takes": TAKES_PATTERN}
        if not any(fnmatchcase(name, pattern) for name in catalog()):
            text = _("No task type is called “%(pattern)s”; there are: %(names)s.")
            return text % {"pattern": pattern, "names": ", ".join(sorted(catalog()))}
    return ""


def _reason(given: dict[str, object], name: str) -> str:
    text = given[name]
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_REASON:
        problem = _("Must be a reason of 1 to %(most)s characters.")
        raise ParameterErrors({name: [problem % {"most": LONGEST_REASON}]})
    return text.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _facts(freeze: Freeze) -> dict[str, object]:
    types: Sequence[str] = freeze.types
    return {
        "types": types,
        "from": iso(freeze.begins_at),
        "until": iso(freeze.ends_at),
        "reason": freeze.reason,
    }
