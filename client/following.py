"""Shows a task until it ends."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from typing import Any

from client.errors import CANCELLED, EXIT_CODES, Stop
from client.events import Stream
from client.service import Service
from client.terminal import LEVEL_COLOURS, Screen, printable
from client.words import words


def moment(text: str) -> datetime:
    """Return a time of the API, in the zone of this machine."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()


class Follower:
    """One task on one screen. Without ``lines`` only how far it is."""

    def __init__(
        self, service: Service, screen: Screen, task_id: str, *, lines: bool = True
    ) -> None:
        self._service, self._screen = service, screen
        self._task_id, self._lines = task_id, lines
        self._task: dict[str, Any] = {}
        self._asked_at = ""  # of the approval that was told

    def follow(self, tail: int | None = None, *, cancels: bool = False) -> int:
        """Follow to the end; returns the exit code. Raises Stop.

        Ctrl-C stops following; with ``cancels`` it cancels the task and goes on to its
        end, and so does SIGTERM, by which CI systems end a job.
        """
        stream = Stream(self._service, self._task_id, tail)
        before = signal.getsignal(signal.SIGTERM)
        if cancels:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return self._show(stream)
        except KeyboardInterrupt:
            self._screen.end_progress()
            if not cancels:
                return self._leave()
            self._cancel()
        finally:
            signal.signal(signal.SIGTERM, before)
        try:
            return self._show(stream)
        except KeyboardInterrupt:
            return self._leave()

    def _show(self, stream: Stream) -> int:
        for event in stream:
            if self._screen.as_json and self._lines:
                self._screen.say_json(event)
            elif event["type"] == "log" and self._lines:
                self._show_line(event["log"])
            elif event["type"] == "degraded":
                self._screen.note(event["reason"])
            if "task" in event:
                self._show_task(event["task"])
        return self._end(event["status"])

    def _show_line(self, log: dict[str, Any]) -> None:
        screen, level = self._screen, log["level"]
        at = screen.paint(f"{moment(log['timestamp']):%H:%M:%S}", "dim")
        message = printable(log["message"], colours=screen.colours)
        if level in LEVEL_COLOURS and message == log["message"]:
            message = screen.paint(message, *LEVEL_COLOURS[level])
        screen.say(f"{at} {level:7} {message}")

    def _show_task(self, task: dict[str, Any]) -> None:
        self._task = task
        step, now = task["step"], task["status"]
        if now in EXIT_CODES:
            return
        where = words("queued") if now == "pending" else now
        if now == "blocked":
            where = words("awaiting approval")
            self._say_asked(task.get("approval"))
        elif step["index"]:
            where = f"{step['index']}/{step['count']} {step['name']}"
        self._screen.progress(task["progress"], where)

    def _say_asked(self, approval: dict[str, Any] | None) -> None:
        """Say once whom a task asks, and for what."""
        if not approval or approval["askedAt"] == self._asked_at:
            return
        self._asked_at = approval["askedAt"]
        text = words("Awaiting approval by {groups}: {message}")
        message = approval["message"] or approval["step"]["name"]
        groups = ", ".join(approval["by"])
        said = text.format(groups=groups, message=message)
        self._screen.note(printable(said, colours=False))
        command = f"resource-sync approve {self._task_id}"
        self._screen.note(words("To approve it: {command}").format(command=command))

    def _end(self, status: str) -> int:
        self._screen.end_progress()
        if self._screen.as_json and not self._lines:
            path = f"/api/tasks/{self._task_id}/status"
            self._screen.say_json(self._service.ask("GET", path))
        said = f"{self._task.get('type', '')} {status}".strip()
        if self._task.get("error"):
            said += f": {self._task['error']}"
        self._screen.note(said)
        return EXIT_CODES[status]

    def _leave(self) -> int:
        text = words("No longer following; the task goes on. To cancel it: {command}")
        command = f"resource-sync cancel {self._task_id}"
        self._screen.note(text.format(command=command))
        return CANCELLED

    def _cancel(self) -> None:
        self._screen.note(words("Cancelling the task; Ctrl-C again leaves it."))
        try:
            self._service.ask("POST", f"/api/tasks/{self._task_id}/cancel", {})
        except Stop as stop:  # it has ended, or it is somebody else's
            self._screen.note(str(stop))


def ago(text: str | None) -> str:
    """Return how long ago something was, roughly."""
    if not text:
        return "–"
    seconds = max(0, int(time.time() - moment(text).timestamp()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
