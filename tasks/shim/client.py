"""The client of a fork server: has it start programs for a runner.

A program is ordered by one message over a Unix socket: its length (8 bytes), JSON
(argv, cwd, env, user, own_env, umask) and, as ancillary data, the descriptors of a
connection and of the program's output. On that connection lines of JSON come back:

    {"pid": 17}                      it was started,
    {"refused": ["why.", 127]}       or it was not, and nothing follows;
    {"status": 0, "usage": {…}}      it has ended (negative: by that signal), having
                                     used so much ("maxRssBytes", "cpuSeconds");
                                     "why": what is wrong with its file, or null;
    {"killed": 0, "left": []}        nothing of it is left: how many were killed besides
                                     the program itself, and the pids of those that
                                     could not be

(No JSON, a length of 0, says that the runner has its lease.)

Single letters go there: T asks the program's group to end (SIGTERM), K kills all
that is left of it. Closing it kills, too.
"""

import errno
import json
import logging
import math
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tasks.catalog.task_type import PTY_COLUMNS, PTY_ROWS
from tasks.shim.messages import HEADER_BYTES, LEASE_LOST, send_order

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
SEND_SECONDS = 5.0
TREES_ARE_ENDED = {
    "subreaper": "by a subreaper for each program",
    "group": "by process groups only: what leaves its group outlives a cancel",
}


@dataclass(frozen=True)
class Program:
    """What to run. ``env`` is all that it sees. ``user``: the account to run it as; it
    brings its HOME, USER and LOGNAME, over which ``own_env`` has the last word.
    ``umask``: with which it makes its files."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    user: str | None = None
    own_env: Mapping[str, str] = field(default_factory=dict)
    pty: bool = False
    columns: int = PTY_COLUMNS
    rows: int = PTY_ROWS
    umask: int = -1  # the runner's


class LeaseLost(Exception):
    """This runner was taken for dead; what it ran belongs to nobody or to others."""


class ForkServer:
    """A runner's fork server (``tasks.shim.server``); another one when it dies."""

    script = Path(__file__).with_name("server.py")

    def __init__(
        self,
        owner: uuid.UUID | None = None,
        patience_seconds: float = math.inf,
        lock: int | None = None,
    ) -> None:
        """``owner``: the runner, by which others find its helpers;
        ``patience_seconds``: without a confirmed lease everything is killed then;
        ``lock``: a descriptor that the server and its shims keep open to their end."""
        self._owner, self._patience_seconds = str(owner or ""), patience_seconds
        self._kept = () if lock is None else (lock,)
        self._start()

    @classmethod
    def is_of(cls, command: Sequence[str], owner: uuid.UUID) -> bool:
        """Return whether that is the command of a runner's fork server, or of a shim,
        which is a fork of one."""
        script = "/".join(cls.script.parts[-2:])
        is_script = any(word.endswith(script) for word in command)
        return is_script and command[-1] == str(owner)

    def start(self, program: Program, out: int, err: int) -> socket.socket:
        """Have a program started that writes to these descriptors; returns the
        connection on which to hear of it.

        Raises LeaseLost where programs were ended because this runner was stopped, or
        did not confirm its lease, for too long.
        """
        self.check_lease()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        message = json.dumps(asdict(program)).encode()
        try:
            with theirs:
                self._send(message, [theirs.fileno(), out, err])
        except BaseException:
            ours.close()
            raise
        return ours

    def confirm_lease(self) -> None:
        """Say that others take this runner for alive."""
        self.check_lease()
        with suppress(OSError):  # a new one is started when there is something to do
            self._connection.sendall(bytes(HEADER_BYTES))

    def check_lease(self) -> None:
        if self._process.poll() == LEASE_LOST:
            raise LeaseLost

    def _send(self, message: bytes, fds: list[int]) -> None:
        """Raises OSError where there is no such process, and can't be."""
        try:
            # The socket of a dead one takes orders for as long as a process that it
            # forked has the other end: nobody would read them.
            if self._process.poll() is not None:
                raise BrokenPipeError
            send_order(self._connection, message, fds)
        except OSError:
            self.check_lease()
            logger.warning("The fork server is gone; starting another.")
            self._connection.close()
            if self._process.poll() is None:  # it takes no orders any more
                self._process.kill()
                self._process.wait()
            self._start()
            send_order(self._connection, message, fds)

    def close(self) -> None:
        """Everything that it started is killed before this returns."""
        self._connection.close()
        self._process.wait()

    def _start(self) -> None:
        """Raises OSError where it can't be started, nor at a second try."""
        try:
            self._start_once()
        except OSError as error:
            logger.warning("The fork server did not start: %s", error)
            self._start_once()

    def _start_once(self) -> None:
        self._connection, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = self._popen(theirs.fileno())
            holds = self._first_words()
        except BaseException:
            self._connection.close()  # of which it ends, if it is there
            raise
        logger.info("Process trees are ended %s.", TREES_ARE_ENDED[holds])

    def _popen(self, fd: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(self.script), str(fd)),
                *(str(self._patience_seconds), self._owner),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[fd, *self._kept],
            # Its own session: Ctrl-C and a kill of the runner's group miss it.
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )

    def _first_words(self) -> str:
        self._connection.settimeout(START_SECONDS)
        with self._connection.makefile("rb", buffering=0) as file:
            words = file.readline()
        if not words:
            self._process.wait()
            raise ChildProcessError(errno.ECHILD, "it ended before it said anything")
        self._connection.settimeout(SEND_SECONDS)
        return str(json.loads(words)["holds"])
