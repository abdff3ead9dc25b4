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
from typing import Any

from tasks.description import iso_of_ms
from tasks.log_store import Row

RETRY_MS = 2_000
# Line ends to some readers of text (Python's splitlines, old JavaScript), though not
# to JSON or SSE.
LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
# Where a task's JSON says which host it is on; no JSON text holds a NUL as it is.
BASE = "\0"
_BASE_IN_JSON = b'"\\u0000/api/'

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
    return f"retry: {RETRY_MS}\n{_event({'type': 'connected', 'task': task})}"


def connected_to_all_event() -> str:
    return f"retry: {RETRY_MS}\n{_event({'type': 'connected'})}"


def task_event(task: Mapping[str, Any]) -> str:
    return _event({"type": "task", "task": task})


def changed_event(what: str) -> str:
    return _event({"type": "changed", "what": what})


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


class Shared:
    """Bytes for many clients, whose URLs may name the host in different ways."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._has_urls = _BASE_IN_JSON in data
        self._for_base: dict[str, bytes] = {}

    def for_base(self, base_url: str) -> bytes:
        """The bytes for a client that reached the service under ``base_url``."""
        if not self._has_urls or base_url == BASE:
            return self._data
        if base_url not in self._for_base:
            url = f'"{base_url}/api/'.encode()
            self._for_base[base_url] = self._data.replace(_BASE_IN_JSON, url)
        return self._for_base[base_url]


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
        """Where each line's event ends; a blank line stands nowhere else."""
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
