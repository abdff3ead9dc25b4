"""Wake-ups of a loop by SIGCHLD, through a pipe that it polls."""

import os
import signal
from contextlib import suppress


def waker() -> int:
    """A descriptor that is readable after each SIGCHLD."""
    reader, writer = os.pipe()
    for fd in (reader, writer):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def drain(fd: int) -> None:
    with suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass
