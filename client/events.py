"""A task's events to its end, over as many connections as it takes."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Iterator
from typing import Any

from client.errors import Stop
from client.service import AWAY, CUT, SILENCE_SECONDS, Answer, Service
from client.words import words

STREAM_PATIENCE_SECONDS = 600.0
FIRST_PAUSE_SECONDS, LONGEST_STREAM_PAUSE_SECONDS = 1.0, 30.0


class Stream:
    """The events of one task, each line once and in order, whatever is cut meanwhile.

    A restarted service or a broken network costs no line: it goes on behind the last
    line that came (``Last-Event-ID``).
    """

    def __init__(self, service: Service, task_id: str, tail: int | None = None) -> None:
        self._service, self._task_id, self._tail = service, task_id, tail
        self._last = 0  # the seq of the last line handed on
        self._digest = hashlib.sha256()
        self._is_whole = tail is None
        self._pause = FIRST_PAUSE_SECONDS
        self._heard_at = time.monotonic()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every event, the last of which is ``end``. Raises Stop."""
        is_lost = False
        while True:
            try:
                for event in self._connection():
                    if is_lost:
                        self._service.note(words("Connected again."))
                        is_lost = False
                    yield event
                    if event["type"] == "end":
                        self._check(event)
                        return
                reason = words("The connection was cut.")
            except Answer as answer:
                if answer.status not in AWAY:
                    raise Stop(answer.sentence) from None
                reason = answer.sentence
                self._pause = max(self._pause, answer.wait)
            except (*CUT, ValueError) as error:
                reason = self._service.away(error)
            if not is_lost:
                self._service.note(f"{reason} {words('Trying again…')}")
                is_lost = True
            self._rest(reason)

    def _connection(self) -> Iterator[dict[str, Any]]:
        """Yield what comes of one connection."""
        path = f"/api/tasks/{self._task_id}/stream"
        headers = {"Accept": "text/event-stream"}
        if self._last:
            headers["Last-Event-ID"] = str(self._last)
        elif self._tail is not None:
            path += f"?tail={self._tail}"
        with self._service.open("GET", path, None, headers, SILENCE_SECONDS) as opened:
            if opened.status == 204:  # it has ended, and we have had all of it
                yield self._end_of_status()
                return
            kind = opened.headers.get_content_type()
            if kind != "text/event-stream":
                raise ValueError(f"{kind} instead of a stream")
            for event in self._parsed(opened):
                self._heard_at = time.monotonic()
                if event["type"] != "log" or self._is_new(event["log"]):
                    yield event

    def _parsed(self, lines: Any) -> Iterator[dict[str, Any]]:
        """Yield the data of each whole event (HTML Living Standard, 9.2.6)."""
        data = []
        for raw in lines:
            if not raw.endswith(b"\n"):
                return  # cut in the middle
            name, _, value = raw.decode("utf-8").rstrip("\r\n").partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data":
                data.append(value)
            elif name == "retry" and re.fullmatch("[0-9]{1,6}", value):
                self._pause = int(value) / 1000
            elif not name and data:
                yield json.loads("\n".join(data))
                data = []

    def _is_new(self, log: dict[str, Any]) -> bool:
        if log["seq"] <= self._last:
            return False
        self._last = log["seq"]
        self._digest.update(f"{log['message']}\n".encode("utf-8", "surrogatepass"))
        return True

    def _end_of_status(self) -> dict[str, Any]:
        path = f"/api/tasks/{self._task_id}/status"
        with self._service.open("GET", path) as response:
            task = json.loads(response.read())
        return {"type": "end", "status": task["status"], "logCount": task["logCount"]}

    def _check(self, end: dict[str, Any]) -> None:
        """Say so where the lines are not those that the service has."""
        theirs = end.get("logSha256")
        if theirs and self._is_whole and self._digest.hexdigest() != theirs:
            text = words("The lines differ from those of the service: see its page.")
            self._service.note(text)

    def _rest(self, reason: str) -> None:
        """Wait before the next connection. Raises Stop where it took too long."""
        patience = self._service.patience
        patience = STREAM_PATIENCE_SECONDS if patience is None else patience
        if time.monotonic() - self._heard_at > patience:
            raise Stop(reason)
        time.sleep(self._pause * random.uniform(0.7, 1.3))  # noqa: S311 (no secret)
        self._pause = min(self._pause * 2, LONGEST_STREAM_PAUSE_SECONDS)
