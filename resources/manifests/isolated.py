"""Do something in a process of its own that may use only so much memory.

What reads a document of one piece must hold all of it, and a hostile one makes that
hundreds of times its size. It then costs this process and not the whole machine.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from resources.errors import EngineError, StoreError

LOOK_INTERVAL = 1.0  # seconds between two looks whether the parent is still there


def run_isolated(
    work: Callable[[], None], *, memory_bytes: int, too_much: EngineError
) -> None:
    """Run ``work`` in a forked process that gets ``memory_bytes`` on top of what it is.

    What ``work`` leaves behind is what it wrote into files that were open before.
    Raises the EngineError it raises, ``too_much`` when the memory doesn't suffice,
    and StoreError when it ends in another way. No process is left, whatever happens.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            _end_with(parent)
            _limit_memory(memory_bytes)
            os.write(writing, pickle.dumps(_outcome(work, too_much)))
        except BaseException:  # noqa: BLE001 - must not go on as a second parent
            import traceback  # slow to import

            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as stream:
            outcome = stream.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.waitpid(pid, 0)
    if not outcome:
        raise StoreError("a helper process ended unexpectedly")
    error = pickle.loads(outcome)  # noqa: S301 - our own process wrote it
    if error is not None:
        raise error


def _outcome(work: Callable[[], None], too_much: EngineError) -> EngineError | None:
    try:
        work()
    except EngineError as error:
        return error
    except MemoryError:
        return too_much
    return None


def _end_with(parent: int) -> None:
    """Don't outlive the parent, and leave the cancelling to it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_INTERVAL, LOOK_INTERVAL)


def _limit_memory(memory_bytes: int) -> None:
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except OSError:
        pages = 0  # no Linux; the limit then counts from nothing
    limit = memory_bytes + pages * resource.getpagesize()
    # Not every system has this limit; the bound of the file's size remains.
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
