"""What a task's steps put out (``::set-output``), within what a row of the database, a
list and a page can carry."""

import json
from collections.abc import Mapping
from typing import Any

MOST_BYTES_EACH = 64 * 1024
MOST_BYTES = 1024 * 1024
MOST_OUTPUTS = 1_000
MOST_REFUSALS_TOLD = 20


class Outputs:
    """``values``: what was kept. ``refused``: how many were too much."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.refused = 0
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._full: set[str] = set()  # keys whose objects take no more
        self._new: dict[str, None] = {}  # keys of the attempt that runs

    def take_over(self, outputs: Mapping[str, Any]) -> None:
        """Begin with outputs of a task that this one is a rerun of."""
        for key, value in outputs.items():
            self.put(key, value)
        self._new.clear()

    def of_attempt(self) -> list[str]:
        """Return the keys that were put since this was asked last."""
        keys = list(self._new)
        self._new.clear()
        return keys

    def put(self, key: str, value: Any) -> str:
        """Keep an output; an object adds to the one that was put under the same key.
        Returns a sentence that says why it is refused, or nothing."""
        before: Any = self.values.get(key)
        is_added = isinstance(value, dict) and isinstance(before, dict)
        if is_added and key in self._full:
            return self._refuse(key, f"it has more than {MOST_BYTES_EACH:,} bytes")
        if is_added:
            value = {**before, **value}
        size = len(key) + len(json.dumps(value, ensure_ascii=False).encode())
        if problem := self._problem(key, size):
            if is_added:
                self._full.add(key)
            return self._refuse(key, problem)
        self._total += size - self._sizes.get(key, 0)
        self.values[key], self._sizes[key] = value, size
        self._new[key] = None
        return ""

    def _problem(self, key: str, size: int) -> str:
        if size > MOST_BYTES_EACH:
            return f"it has {size:,} bytes, and may have {MOST_BYTES_EACH:,}"
        if key not in self.values and len(self.values) >= MOST_OUTPUTS:
            return f"a task may have {MOST_OUTPUTS:,}"
        total = self._total - self._sizes.get(key, 0) + size
        if total > MOST_BYTES:
            return (
                f"it has {size:,} bytes, and all outputs together would have "
                f"{total:,} of {MOST_BYTES:,}"
            )
        return ""

    def _refuse(self, key: str, problem: str) -> str:
        self.refused += 1
        return f"The output “{key}” was refused: {problem}."
