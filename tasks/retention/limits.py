"""The limits that hold: those of the settings, and those of single types."""

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings

from tasks.catalog.loader import catalog
from tasks.catalog.quantities import age_text, size_text
from tasks.catalog.task_type import Retention

COUNT, AGE, SIZE = "count", "age", "size"
# In which order tasks are looked for: the cheapest question first.
KINDS = (COUNT, AGE, SIZE)


class Limit(NamedTuple):
    """``value``: tasks, seconds or bytes. It holds for the tasks of ``types`` together,
    or with ``for_others`` for those of all other types together."""

    kind: str
    value: int
    types: tuple[str, ...]
    for_others: bool

    @property
    def text(self) -> str:
        """Return the value as it is written in a setting."""
        if self.kind == AGE:
            return age_text(self.value)
        return size_text(self.value) if self.kind == SIZE else str(self.value)

    def covers(self, type_name: str) -> bool:
        return (type_name in self.types) is not self.for_others


def limits(instead: Retention | None = None, only: str | None = None) -> list[Limit]:
    """Return all that hold; none where everything is kept.

    ``instead``: of the settings' limits those that somebody named others for, where a
    count of 0 keeps nothing; what types say of their own stays. ``only``: a type, for
    which these are all.
    """
    named = _of(instead or Retention())
    if only is not None:
        return [
            Limit(kind, value, (only,), for_others=False)
            for kind, value in named.items()
            if value is not None and _limits(kind, value)
        ]
    usual = _of_settings()
    general = {
        kind: usual[kind] if named[kind] is None else named[kind] for kind in KINDS
    }
    own = {kind: _of_types(kind) for kind in KINDS}
    found = []
    for kind in KINDS:
        value = general[kind]
        if value is not None and _limits(kind, value):
            found.append(Limit(kind, value, tuple(own[kind]), for_others=True))
        found += [
            Limit(kind, value, (name,), for_others=False)
            for name, value in own[kind].items()
            if value
        ]
    return found


def _of_settings() -> dict[str, int | None]:
    return {
        COUNT: settings.TASK_RETENTION or None,
        AGE: settings.TASK_RETENTION_AGE or None,
        SIZE: settings.TASK_RETENTION_SIZE or None,
    }


def _of(retention: Retention) -> dict[str, int | None]:
    return {
        COUNT: retention.count,
        AGE: retention.age_seconds,
        SIZE: retention.size_bytes,
    }


def _limits(kind: str, value: int) -> bool:
    """Return whether a value that somebody named is a limit."""
    return bool(value) or kind == COUNT


def _of_types(kind: str) -> Mapping[str, int]:
    found = {one.name: _of(one.retention)[kind] for one in catalog().values()}
    return {name: value for name, value in found.items() if value is not None}
