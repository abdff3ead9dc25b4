"""Clients that watch a stream as an EventSource does, cheap enough for hundreds.

They parse blocks and not lines: some 2 µs an event, which lets 50 of them read a log
of 50,000 lines. Nothing is forgiven: an event that is not written as promised, a line
that is missing, doubled or out of turn, or an end that is not the log's is an error.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from math import inf
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_SECONDS

from .conftest import Service

READ_BYTES = 256 * 1024
RETURN_SECONDS = 0.02  # between two connections; `retry:` asks for more, tests do not
EVENT = re.compile(rb"((?:retry: \d+\n)?(?:id: (\d+)\n)?data: ([^\r\n]+)\n\n)")


class Viewer:
    """A client that comes back by itself, with the id of the last whole event.

    first, last  seqs of the lines it has; 0 where it has none
    updates      the tasks that ``update`` events told of
    end          the event ``end``, once it came
    gone         the status that made it stop before any end, or None
    failure      what it had to complain of, or None
    cuts         how often a response, or the try to get one, did not end in order
    """

    def __init__(
        self,
        service: Service,
        task_id: str,
        *,
        query: str = "",
        url: str = "",
        most_bytes: Callable[[], float] = lambda: inf,
    ) -> None:
        """``most_bytes`` is asked on each connection, and says behind how many bytes
        after ``connected`` the client drops it; a cut event is forgotten."""
        self._host = urlsplit(url or service.url).netloc
        self._path = f"/api/tasks/{task_id}/stream{query}"
        self._key = service.api_key
        self._most_bytes = most_bytes
        self._content = hashlib.sha256()
        self.first = self.last = 0
        self.updates: list[dict] = []
        self.end: dict | None = None
        self.gone: int | None = None
        self.failure: BaseException | None = None
        self.is_called_off = False
        self.connections = self.cuts = 0
        self.cuts_in_a_character = 0

    @property
    def content(self) -> str:
        """The digest of all that its lines say; see ``content_of``."""
        return self._content.hexdigest()

    def watch(self) -> None:
        """Read to the end, over as many connections as it takes; then come back once
        more, as an EventSource does, and be told that there is no more."""
        while not (self.end or self.gone or self.is_called_off):
            try:
                self.visit()
            except (OSError, HTTPException):  # cut off, or nobody there
                self.cuts += 1
            time.sleep(RETURN_SECONDS)
        if self.end is not None:
            connection, response = self._open(self.end["logCount"] + 1)
            connection.close()
            assert response.status == 204, response.status

    def visit(self) -> None:
        """One connection."""
        connection, response = self._open(self.last)
        try:
            if response.status == 503:
                raise ConnectionRefusedError  # nginx makes it an empty stream
            if response.status != 200:
                self.gone = response.status
                return
            self.connections += 1
            self._read(response)
        finally:
            connection.close()

    def _open(self, last: int) -> tuple[HTTPConnection, HTTPResponse]:
        connection = HTTPConnection(self._host, timeout=PATIENCE_SECONDS)
        headers = {"X-API-Key": self._key}
        if last:
            headers["Last-Event-ID"] = str(last)
        try:
            connection.request("GET", self._path, headers=headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _read(self, response: HTTPResponse) -> None:
        rest, room = b"", inf
        while block := response.read1(READ_BYTES):
            rest += block
            if room == inf:
                first, blank, rest = rest.partition(b"\n\n")
                if not blank:
                    rest = first
                    continue
                self._take(first + blank)
                room, block = self._most_bytes(), rest
            room -= len(block)
            if room < 0:
                rest = rest[: int(room)]
            whole = rest.rfind(b"\n\n") + 2
            if whole > 1:
                self._take(rest[:whole])
                rest = rest[whole:]
            if room <= 0 and self.end is None:
                self.cuts_in_a_character += is_cut_in_a_character(rest)
                return

    def _take(self, block: bytes) -> None:
        found = EVENT.findall(block)
        assert b"".join([whole for whole, _, _ in found]) == block, block[:1000]
        events = json.loads(b"[%b]" % b",".join([data for _, _, data in found]))
        assert self.end is None, f"more after the end: {events}"
        logs = [event["log"] for event in events if event["type"] == "log"]
        ids = [int(event_id) for _, event_id, _ in found if event_id]
        if logs:
            self._take_lines(logs)
        if events[-1]["type"] == "end":
            self.end = events[-1]
            assert ids.pop() == self.end["logCount"] + 1
        assert ids == [log["seq"] for log in logs], "ids and seqs differ"
        self.updates += [one["task"] for one in events if one["type"] == "update"]

    def _take_lines(self, logs: list[dict]) -> None:
        self.first = self.first or logs[0]["seq"]
        follows = self.last + 1 if self.last else self.first
        seqs = [log["seq"] for log in logs]
        if seqs != list(range(follows, follows + len(seqs))):
            wrong = next(seq for n, seq in enumerate(seqs, follows) if seq != n)
            raise AssertionError(f"{wrong} came among the lines from {follows} on")
        self.last = seqs[-1]
        self._content.update(as_text(logs))


def as_text(lines: list[dict]) -> bytes:
    return "".join(
        [f"{x['timestamp']} {x['level']} {x['message']}\n" for x in lines]
    ).encode()


def content_of(lines: list[dict]) -> str:
    """One digest of everything that lines of the API say."""
    return hashlib.sha256(as_text(lines)).hexdigest()


def is_cut_in_a_character(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


@contextmanager
def watching(*viewers: Viewer) -> Iterator[None]:
    """All of them watch, each in a thread, while the block runs; behind it all have
    had the end."""
    threads = [
        threading.Thread(target=_watch, args=(viewer,), daemon=True)
        for viewer in viewers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    except BaseException:
        for viewer in viewers:
            viewer.is_called_off = True
        raise
    deadline = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        raise_failures(viewers)
    waiting = [viewer for viewer in viewers if not (viewer.end or viewer.gone)]
    assert not waiting, f"{len(waiting)} viewers never had the end"


def _watch(viewer: Viewer) -> None:
    try:
        viewer.watch()
    except BaseException as failure:  # noqa: BLE001 (raised in the test's thread)
        viewer.failure = failure


def raise_failures(viewers: Iterable[Viewer]) -> None:
    for viewer in viewers:
        if viewer.failure is not None:
            raise viewer.failure


def assert_exact(service: Service, task_id: str, *viewers: Viewer) -> list[dict]:
    """Each has exactly the stored lines, from its first on to the last, once each and
    in order, and the end that is the log's; returns the lines."""
    task = service.task(task_id)
    lines = service.lines(task_id)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    messages = "".join(f"{line['message']}\n" for line in lines)
    end = {
        "type": "end",
        "status": task["status"],
        "logCount": len(lines),
        "logSha256": hashlib.sha256(messages.encode()).hexdigest(),
    }
    contents: dict[int, str] = {}
    for viewer in viewers:
        first = viewer.first
        if first not in contents:
            contents[first] = content_of(lines[first - 1 :])
        assert viewer.end == end
        assert viewer.last == len(lines)
        assert viewer.content == contents[first], f"its lines from {first} on differ"
        assert viewer.updates[-1]["status"] == task["status"]
    return lines
