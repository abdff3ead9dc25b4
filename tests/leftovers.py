"""Ends whatever tests have started, also where pytest itself is killed, or its shell
ignores SIGINT and all that it starts inherits that.

A process of its own that holds the end of a pipe: when pytest is gone, by whatever
signal, it kills everybody who has this run's mark in the environment.
"""

import atexit
import os
import secrets
import subprocess
import sys
from contextlib import suppress

import psutil

MARK = "RESOURCE_SYNC_TEST_RUN"


def watch() -> None:
    """Mark what this process starts from now on, and have it ended with this one."""
    os.environ[MARK] = secrets.token_hex(8)
    watching = subprocess.Popen(
        [sys.executable, __file__, os.environ[MARK]],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env={},
    )
    # At an end in order, what is left is ended before this returns.
    atexit.register(watching.communicate)


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def main(mark: str) -> None:
    sys.stdin.read()
    while left := marked(mark):
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


if __name__ == "__main__":
    main(sys.argv[1])
