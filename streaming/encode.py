"""Rows become bytes of ``text/event-stream``: once, however many clients there are.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html; what the
events mean is in docs/reference/stream.md.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from json.encoder import encode_basestring
from typing import Any

from tasks.description import iso_of_ms
from tasks.log_store import Line

RETRY_MS = 2_000
# Line ends to some readers of text (Python's splitlines, old JavaScript), though not
# to JSON or SSE.
LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
# Where a task's JSON says which host it is on; no JSON text holds a NUL as it is.
BASE = "\0"
_BASE_IN_JSON = b'"\\u0000/api/'
KEEP_ALIVE = b'data: {"type":"keep-alive"}\n\n'

_iso_of_ms = lru_cache(maxsize=4096)(iso_of_ms)


def dumps(value: Any) -> str:
    """JSON on one line, as compact as it gets."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(LINE_ENDS)


def line_event(line: Line) -> bytes:
    seq, at_ms, level, message = line
    text = encode_basestring(message)
    if not text.isascii():
        text = text.translate(LINE_ENDS)
    return (
        f'id: {seq}\ndata: {{"type":"log","log":{{"seq":{seq},'
        f'"timestamp":"{_iso_of_ms(at_ms)}","level":"{level}","message":{text}}}}}\n\n'
    ).encode()


def connected_event(task: Mapping[str, Any]) -> bytes:
    data = dumps({"type": "connected", "task": task})
    return f"retry: {RETRY_MS}\ndata: {data}\n\n".encode()


def update_event(task: Mapping[str, Any]) -> bytes:
    return f"data: {dumps({'type': 'update', 'task': task})}\n\n".encode()


def end_event(status: str, log_count: int, log_sha256: str) -> bytes:
    data = {
        "type": "end",
        "status": status,
        "logCount": log_count,
        "logSha256": log_sha256,
    }
    return f"id: {log_count + 1}\ndata: {dumps(data)}\n\n".encode()


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

    def __init__(self, lines: Sequence[Line]) -> None:
        self.after = lines[0].seq - 1
        self.upto = lines[-1].seq
        events = [line_event(line) for line in lines]
        self._ends = list(accumulate(map(len, events)))
        self._data = b"".join(events)

    def __len__(self) -> int:
        return len(self._data)

    def piece(self, cursor: int, most_bytes: int) -> tuple[bytes, int]:
        """The lines after ``cursor``, as many as fit (at least one), and the seq of
        the last of them."""
        skipped = cursor - self.after
        start = self._ends[skipped - 1] if skipped else 0
        count = max(bisect_right(self._ends, start + most_bytes), skipped + 1)
        return self._data[start : self._ends[count - 1]], self.after + count
