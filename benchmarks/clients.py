"""What stream.py holds in its hands: the clients of a task, and the gate before it."""

import errno
import json
import os
import secrets
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from servers import Server

Figures = dict[str, float]
LIMIT_SECONDS = 300  # for one measurement; then it is an error


class Gate:
    """A FIFO that a task's program waits at before its first line, see emit.c."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"gate-{secrets.token_hex(4)}"
        os.mkfifo(self.path)

    def open(self) -> float:
        """Let the program go, once it has come; returns when (monotonic)."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            try:
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
                self.path.unlink()
                return time.monotonic()
            except OSError as error:
                if error.errno != errno.ENXIO:  # nobody waits there yet
                    raise
                time.sleep(0.005)
        raise RuntimeError(f"The task's program did not come in {LIMIT_SECONDS} s.")


def open_all_gates(folder: Path) -> None:
    """After a failure: nobody is to wait there for ever."""
    for path in folder.glob("gate-*"):
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        path.unlink()


class Clients:
    """load.c: so many clients of one task. Use it as a context."""

    def __init__(
        self, load: Path, server: Server, task_id: str, readers: int, stalled: int = 0
    ) -> None:
        self._name = server.name
        path = f"/api/tasks/{task_id}/stream"
        numbers = [str(one) for one in (readers, stalled, LIMIT_SECONDS)]
        self._process = subprocess.Popen(
            [load, str(server.port), path, server.api_key, *numbers],
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_until_open(self) -> float:
        """Until each has had its first event; returns the seconds that took."""
        said = self._next()
        if "open_s" not in said:
            raise RuntimeError(f"{self._name}: not all could be opened: {said}")
        return said["open_s"]

    def report(self) -> Figures:
        """What they counted and timed, after everyone's ``end``."""
        said = self._next()
        if "open_s" in said:
            said = self._next()
        if said["errors"]:
            raise RuntimeError(f"{self._name}: {said}")
        return said

    def _next(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name}: load.c ended without a word.")
        said: Figures = json.loads(line)
        return said
