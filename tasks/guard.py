"""Kills what a runner leaves behind when it is killed itself.

A small process of its own that a runner starts and tells, through a pipe, which
process groups live: ``+PGID`` and ``-PGID``. When the pipe ends, the runner is gone,
by whatever death, and every group still named is killed. Run as a script, without
Django, so that it starts in some 20 ms and has nothing that could fail.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress


class Guard:
    """The runner's side of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Its own session: Ctrl-C and a kill of the runner's group miss it.
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """The runner ends in order: kill what is still named, and go."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            with suppress(BrokenPipeError):
                os.write(pipe.fileno(), line.encode())


def guard() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    guard()
