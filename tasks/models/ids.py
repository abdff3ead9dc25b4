"""Ids of tasks as people and programs write them."""

import re
import uuid

TASK_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def task_id_of(text: str) -> uuid.UUID | None:
    """Return the id that a text is; None where it is none as the API writes them.

    ``uuid.UUID`` would also take braces, ``urn:uuid:``, and digits without dashes.
    """
    return uuid.UUID(text) if TASK_ID.fullmatch(text) else None


def ids_beginning_with(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The first and the last id that begin so; None where no id does."""
    digits = text.strip().replace("-", "")
    try:
        first, last = (uuid.UUID(digits.ljust(32, filler)) for filler in "0f")
    except ValueError:
        return None
    return (first, last) if digits else None
