"""Rows become bytes of ``text/event-stream``: once, however many clients there are.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html; what the
events mean is in docs/reference/stream.md.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from random import randint
from typing import Any

from tasks.logs.store import Row
from tasks.timestamps import iso_of_ms

# How long a client waits before it comes back: each another while, so that a restart
# of the server does not bring all of them in one instant.
RETRY_MS = (1_000, 4_000)
# Line ends to some readers of text (Python's splitlines, old JavaScript), though not
# to JSON or SSE.
LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}

_iso_of_ms = lru_cache(maxsize=4096)(iso_of_ms)


def line_events(lines: Iterable[Row]) -> list[str]:
    """One event a line."""
    return [
        f'id: {seq}\ndata: {{"type":"log","log":{{"seq":{seq},'
        f'"timestamp":"{_iso_of_ms(at_ms)}","level":"{level}",'
        f'"message":{encode_basestring(message)}}}}}\n\n'
        for seq, at_ms, level, message in lines
    ]


def connected_event(task: Mapping[str, Any]) -> str:
    return _with_retry({"type": "connected", "task": task})


def connected_to_all_event() -> str:
    return _with_retry({"type": "connected"})


def task_event(task: Mapping[str, Any]) -> str:
    return _event({"type": "task", "task": task})


def changed_event(what: str) -> str:
    return _event({"type": "changed", "what": what})


def degraded_event(since: str, reason: str) -> str:
    return _event({"type": "degraded", "since": since, "reason": reason})


def update_event(task: Mapping[str, Any]) -> str:
    return _event({"type": "update", "task": task})


def end_event(status: str, log_count: int, log_sha256: str) -> str:
    data = {
        "type": "end",
        "status": status,
        "logCount": log_count,
        "logSha256": log_sha256,
    }
    return f"id: {log_count + 1}\n{_event(data)}"


def source_event(index: int) -> str:
    """Return the event that names the source of those that follow, up to the next
    one."""
    return _event({"type": "source", "index": index})


def closed_event(status: int, detail: str) -> str:
    """A source gives no more, and why: what its own stream would be answered with."""
    return _event({"type": "closed", "status": status, "detail": detail})


def _with_retry(data: Mapping[str, Any]) -> str:
    return f"retry: {randint(*RETRY_MS)}\n{_event(data)}"  # noqa: S311 (no secret)


def _event(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n"


def encoded(*events: str) -> bytes:
    """Events as they go over the wire."""
    text = "".join(events)
    if not text.isascii():
        for end, escape in LINE_ENDS.items():
            text = text.replace(end, escape)  # they only stand within JSON's strings
    return text.encode()


KEEP_ALIVE = encoded(_event({"type": "keep-alive"}))


class Page:
    """Consecutive lines, encoded, that can be taken from any line on."""

    def __init__(self, lines: Sequence[Row]) -> None:
        self.after = lines[0][0] - 1
        self.upto = lines[-1][0]
        self._data = encoded(*line_events(lines))

    def __len__(self) -> int:
        return len(self._data)

    @cached_property
    def _ends(self) -> list[int]:
        """Return where each line's event ends: at a blank line, which stands nowhere
        else."""
        return [found.end() for found in re.finditer(rb"\n\n", self._data)]

    def piece(self, cursor: int, most_bytes: int) -> tuple[bytes, int]:
        """The lines after ``cursor``, as many as fit (at least one), and the seq of
        the last of them. The whole page is the same object each time."""
        if cursor == self.after and len(self._data) <= most_bytes:
            return self._data, self.upto
        skipped = cursor - self.after
        start = self._ends[skipped - 1] if skipped else 0
        count = max(bisect_right(self._ends, start + most_bytes), skipped + 1)
        return self._data[start : self._ends[count - 1]], self.after + count
