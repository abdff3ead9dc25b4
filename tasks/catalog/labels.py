"""Labels: what a runner says of itself (a system, a device, a network), and what a type
of tasks needs of the runner that takes it."""

import re
from collections.abc import Iterable, Mapping

from django.conf import settings

from tasks.catalog.task_type import TaskType
from tasks.catalog.toml_tables import Table

TAKES_LABEL = "up to 63 letters, digits and any of . _ = / -, a letter or digit first"


def is_label(text: str) -> bool:
    return re.fullmatch(settings.LABEL_PATTERN, text) is not None


def labels_of(table: Table) -> tuple[str, ...]:
    """Return the labels that a type's runner has to have."""
    labels = table.texts("labels")
    if "labels" in table.data and not labels:
        raise table.wrong("labels", "expected at least one label")
    for label in labels:
        if not is_label(label):
            raise table.wrong(
                "labels", f'"{label}" is no label; expected {TAKES_LABEL}'
            )
    return labels


def has_all(labels: Iterable[str], wanted: Iterable[str]) -> bool:
    """Return whether a runner with these labels has all that are wanted."""
    return set(wanted) <= set(labels)


def taken_with(labels: Iterable[str], kinds: Mapping[str, TaskType]) -> list[str]:
    """Return the names of the types that a runner with these labels takes."""
    had = set(labels)
    return sorted(name for name, kind in kinds.items() if has_all(had, kind.labels))
