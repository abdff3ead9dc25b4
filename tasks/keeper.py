"""The runner's side of the process that starts its programs.

A program is ordered by one message over a Unix socket: its length (8 bytes), JSON
(argv, cwd, env, user, own_env) and, as ancillary data, the descriptors of a connection
and of the program's output. On that connection lines of JSON come back:

    {"pid": 17}                      it was started,
    {"refused": ["why.", 127]}       or it was not, and nothing follows;
    {"status": 0}                    it has ended (negative: by that signal);
    {"killed": 0, "left": []}        nothing of it is left: how many were killed besides
                                     the program itself, and the pids of those that
                                     could not be

and single letters go there: T asks the program's group to end (SIGTERM), K kills all
that is left of it. Closing it kills, too.
"""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tasks.keeper_process import send_order

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
SEND_SECONDS = 5.0
HOLDS = {
    "cgroup": "by a cgroup and a subreaper for each program",
    "subreaper": "by a subreaper for each program (there is no cgroup v2 to write to)",
    "group": "by process groups only: what leaves its group outlives a cancel",
}


@dataclass(frozen=True)
class Program:
    """What to run. ``env`` is all that it sees. ``user``: the account to run it as; it
    brings its HOME, USER and LOGNAME, over which ``own_env`` has the last word."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    user: str | None = None
    own_env: Mapping[str, str] = field(default_factory=dict)
    pty: bool = False


class Keeper:
    """One such process; another one when it dies."""

    script = Path(__file__).with_name("keeper_process.py")

    def __init__(self) -> None:
        self._start()

    def start(self, program: Program, out: int, err: int) -> socket.socket:
        """Have a program started that writes to these descriptors; returns the
        connection on which to hear of it."""
        ours, theirs = socket.socketpair()
        with theirs:
            message = json.dumps(asdict(program)).encode()
            fds = [theirs.fileno(), out, err]
            try:
                # The socket of a dead one takes orders for as long as a process that it
                # forked has the other end: nobody would read them.
                if self._process.poll() is not None:
                    raise BrokenPipeError
                send_order(self._connection, message, fds)
            except OSError:
                logger.warning("The process that starts programs is gone; a new one.")
                self.close()
                self._start()
                send_order(self._connection, message, fds)
        ours.setblocking(False)
        return ours

    def close(self) -> None:
        """Everything that it started is killed before this returns."""
        self._connection.close()
        self._process.wait()

    def _start(self) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(self.script), str(fd)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[fd],
                # Its own session: Ctrl-C and a kill of the runner's group miss it.
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )
        self._connection.settimeout(START_SECONDS)
        with self._connection.makefile("rb", buffering=0) as file:
            holds = json.loads(file.readline())["holds"]
        logger.info("Process trees are held %s.", HOLDS[holds])
        self._connection.settimeout(SEND_SECONDS)
