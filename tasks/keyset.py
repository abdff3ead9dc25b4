"""Keyset pagination of tasks, newest first: pages that stay stable while new tasks
arrive."""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from tasks.models import Task, TaskQuerySet

NUMBER = re.compile("[0-9]{1,18}")  # what both databases can compare with theirs


@dataclass(frozen=True)
class Cursor:
    """A place in the list of tasks, between two of them; opaque to clients."""

    is_backward: bool  # towards newer tasks
    number: int
    task_id: uuid.UUID

    def encoded(self) -> str:
        word = "b" if self.is_backward else "f"
        text = f"{word} {self.number} {self.task_id.hex}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decoded(cls, raw: str) -> "Cursor":
        try:
            padded = raw.encode("ascii") + b"=" * (-len(raw) % 4)
            word, number, task_id = base64.urlsafe_b64decode(padded).decode().split(" ")
            is_backward = {"b": True, "f": False}[word]
            if not NUMBER.fullmatch(number):
                raise ValueError(number)
            return cls(is_backward, int(number), uuid.UUID(task_id))
        except (ValueError, KeyError, binascii.Error) as error:
            raise ValueError(
                _("Must come from “next” or “previous” of a response.")
            ) from error


def slice_of(
    tasks: TaskQuerySet, cursor: Cursor | None, limit: int
) -> tuple[list[Task], Cursor | None, Cursor | None]:
    """So many tasks beside the cursor, newest first, and the places before and after
    them, where there are more."""
    found = _beside(tasks, cursor, limit + 1)
    has_more = len(found) > limit
    del found[limit:]
    if not found:
        return [], None, None
    is_backward = cursor is not None and cursor.is_backward
    if is_backward:
        found.reverse()
    has_older = has_more or is_backward
    has_newer = has_more if is_backward else cursor is not None
    return (
        found,
        _at(found[0], is_backward=True) if has_newer else None,
        _at(found[-1], is_backward=False) if has_older else None,
    )


def _at(task: Task, *, is_backward: bool) -> Cursor:
    return Cursor(is_backward, task.number, task.pk)


def _beside(tasks: TaskQuerySet, cursor: Cursor | None, count: int) -> list[Task]:
    """Tasks on one side of the cursor, the nearest first."""
    if cursor is None:
        return list(tasks.newest_first()[:count])
    number, task_id = cursor.number, cursor.task_id
    # The first condition is implied by the second; it is what the index can use.
    if cursor.is_backward:
        newer = Q(number__gt=number) | Q(id__gt=task_id)
        side = tasks.filter(newer, number__gte=number).order_by("number", "id")
    else:
        older = Q(number__lt=number) | Q(id__lt=task_id)
        side = tasks.filter(older, number__lte=number).newest_first()
    return list(side[:count])
