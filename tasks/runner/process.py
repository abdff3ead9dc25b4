"""A running program: read as lines, stopped with all that came of it.

Knows no database. A shim (``tasks.shim``) starts it, and ends what came of it. POSIX
only; what only Linux has (pipe size) is guarded.
"""

import fcntl
import json
import os
import select
import signal
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

from tasks.reasons import Reason
from tasks.runner.output.line_splitter import LineSplitter
from tasks.runner.output.pipes import READ_BYTES
from tasks.shim.client import ForkServer, Program
from tasks.shim.start_failures import NOT_EXECUTABLE

PIPE_BYTES = 1024 * 1024  # the most that an ordinary user may ask for
# How long what a program leaves behind (processes, a pipe held open) may outlive it.
DRAIN_SECONDS = 2.0
GONE_SECONDS = 6.0  # the fork server's own patience with what can't be killed is 5 s


Stream = Literal["stdout", "stderr"]


def is_readable(fd: int, seconds: float = 0) -> bool:
    """Return whether a descriptor has something to read, or its end, now or within a
    time."""
    poller = select.poll()  # unlike select(), it takes numbers over 1,023, too
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


class Child:
    """A running program, and all that came of it.

    refusal  why it could not be started, and what a shell would exit with; or None
    status   its exit status once it has ended (negative: the signal), else None
    usage    maxRssBytes and cpuSeconds of what has ended, where that is known
    why      a sentence on why it ended so, where more is known than its status
    killed   how many processes it left behind that had to be killed
    left     pids that could not be
    """

    def __init__(
        self,
        fork_server: ForkServer,
        program: Program,
        hide_cut: Callable[[str], str] = str,
    ) -> None:
        self._hide_cut = hide_cut  # see LineSplitter
        self.refusal: tuple[Reason, int] | None = None
        self.status: int | None = None
        self.usage: dict[str, float] = {}
        self.why: Reason | None = None
        self.killed = 0
        self.left: list[int] = []
        self.pid: int | None = None
        self._is_gone = False
        self._news = b""
        self._kill_at: float | None = None
        self._is_killed = False
        self._exited_at: float | None = None
        self._pipes: dict[int, tuple[Stream, LineSplitter]] = {}
        ends: list[int] = []
        try:
            self._open(program, ends)
            self._connection = fork_server.start(program, ends[0], ends[-1])
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for end in ends:
                os.close(end)

    def _open(self, program: Program, ends: list[int]) -> None:
        """Read from new pipes, or from a terminal; adds their other ends to ``ends``.

        Raises OSError where the system has no more of them.
        """
        if program.pty:
            self._terminal(ends, program.columns, program.rows)
            return
        for stream in ("stdout", "stderr"):
            self._pipe(ends, stream)

    def _pipe(self, ends: list[int], stream: Stream) -> None:
        reader, writer = os.pipe()
        self._pipes[reader] = (stream, LineSplitter(self._hide_cut))
        ends.append(writer)
        os.set_blocking(reader, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # Over the user's quota the pipe simply stays as it is.
            with suppress(OSError):
                fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _terminal(self, ends: list[int], columns: int, rows: int) -> None:
        """A terminal, to which programs write line by line. It changes nothing of what
        they write."""
        reader, writer = os.openpty()
        self._pipes[reader] = ("stdout", LineSplitter(self._hide_cut))
        ends.append(writer)
        os.set_blocking(reader, False)
        mode = termios.tcgetattr(writer)
        mode[1] &= ~termios.OPOST
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(writer, termios.TCSANOW, mode)
        termios.tcsetwinsize(writer, (rows, columns))

    # --- Reading --------------------------------------------------------------------

    @property
    def open_pipes(self) -> tuple[int, ...]:
        """File descriptors to wait for; one that has ended is not among them."""
        return (*self.open_outputs, *self.open_news)

    @property
    def open_outputs(self) -> tuple[int, ...]:
        """Those of them that have its output."""
        return tuple(self._pipes)

    @property
    def open_news(self) -> tuple[int, ...]:
        """The one of them that tells how the program goes, while that is open."""
        return () if self._is_gone else (self._connection.fileno(),)

    def read(self, fd: int, ahead: bytes | None = None) -> tuple[Stream, list[str]]:
        """Return what a readable descriptor has, or ``ahead``, which was read of it
        already: the name of a pipe and the lines now complete; none where it is news of
        the program."""
        if fd not in self._pipes:
            self._hear()
            return "stdout", []
        stream, splitter = self._pipes[fd]
        if data := ahead or self._read(fd):
            return stream, splitter.feed(data)
        if data is None:
            return stream, []
        self._close(fd)
        return stream, splitter.finish()

    def prompts(self, may_show: Callable[[str], bool]) -> list[tuple[Stream, str]]:
        """Unfinished lines that have stood for so long that they are to be shown."""
        found = []
        for fd, (stream, splitter) in self._pipes.items():
            if splitter.look_at is None or time.monotonic() < splitter.look_at:
                continue
            if is_readable(fd):
                splitter.hear()
            else:
                found += [(stream, text) for text in splitter.prompt(may_show)]
        return found

    def has_more(self) -> bool:
        """Return whether there is output that was not read yet."""
        return any(is_readable(fd) for fd in self._pipes)

    def unfinished(self, fd: int) -> str:
        """A pipe's line so far; of a bar drawn with ``\\r`` its last state."""
        return self._pipes[fd][1].unfinished if fd in self._pipes else ""

    def rest(self) -> Iterator[tuple[Stream, list[str]]]:
        """Yield what the pipes still hold once the program is over, and no more:
        somebody who was handed a pipe may write to it for ever."""
        for fd in list(self._pipes):
            stream, splitter = self._pipes[fd]
            for _ in range(2 * PIPE_BYTES // READ_BYTES):
                if not (data := self._read(fd)):
                    break
                yield stream, splitter.feed(data)
            yield stream, splitter.finish()
            self._close(fd)

    def _read(self, fd: int) -> bytes | None:
        """None where there is nothing now; no bytes where there never will be."""
        try:
            return os.read(fd, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:  # how Linux says that nobody has the terminal open any more
            return b""

    def _close(self, fd: int) -> None:
        del self._pipes[fd]
        os.close(fd)

    def _close_pipes(self) -> None:
        for fd in list(self._pipes):
            self._close(fd)

    # --- How it goes ----------------------------------------------------------------

    def _hear(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._news = (self._news + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not data:
            self._is_lost()

    def _take(self, news: dict[str, Any]) -> None:
        if "pid" in news:
            self.pid = news["pid"]
        elif "status" in news:
            self.status, self._exited_at = news["status"], time.monotonic()
            self.usage = news["usage"]
            self.why = Reason.of(news["why"]) if news["why"] else None
        elif "refused" in news:
            reason, status = news["refused"]
            self.refusal = (Reason.of(reason), status)
            self._part()
        else:
            self.killed, self.left = news["killed"], news["left"]
            self._part()

    def _is_lost(self) -> None:
        """Whoever attended to it was killed; then it was killed with all that was
        its, by the fork server."""
        if not self._is_gone:
            if self.pid is None:
                self.refusal = (Reason("shim-killed"), NOT_EXECUTABLE)
            elif self.status is None:
                self.status = -signal.SIGKILL
            self._part()

    def _part(self) -> None:
        self._is_gone = True
        self._exited_at = self._exited_at or time.monotonic()
        self._connection.close()

    def is_over(self) -> bool:
        """Return whether nothing of it is left, and its output has been read to the
        end, or is held open by somebody else for longer than DRAIN_SECONDS."""
        if not self._is_gone:
            return False
        assert self._exited_at is not None  # noqa: S101 (_part() has set it)
        return not self._pipes or time.monotonic() >= self._exited_at + DRAIN_SECONDS

    @property
    def next_deadline(self) -> float | None:
        """Return when (time.monotonic) this child needs to be looked at without an
        event."""
        times = [splitter.look_at for _, splitter in self._pipes.values()]
        times.append(self._kill_due)
        if self._is_gone and self._exited_at is not None:
            times.append(self._exited_at + DRAIN_SECONDS)
        return min((moment for moment in times if moment is not None), default=None)

    # --- Ending ---------------------------------------------------------------------

    def stop(self, grace_seconds: float) -> None:
        """Ask its group to end; after the grace all that came of it is killed. Returns
        at once; call ``press_on`` from time to time. Asking again changes nothing."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace_seconds
            self._command(b"T")

    def press_on(self) -> None:
        """Kill what was asked to stop and has used up its grace, and what a program
        left behind that has ended by itself."""
        if self._kill_due is not None and time.monotonic() >= self._kill_due:
            self.kill_now()

    @property
    def _kill_due(self) -> float | None:
        if self._is_killed or self._is_gone:
            return None
        if self._kill_at is None and self._exited_at is not None:
            return self._exited_at + DRAIN_SECONDS
        return self._kill_at

    def kill_now(self) -> None:
        """Kill all that came of it, without any grace. Returns at once."""
        if not (self._is_killed or self._is_gone):
            self._is_killed = True
            self._command(b"K")

    def abandon(self) -> None:
        """Kill all that came of it, wait until that is done, and forget the rest."""
        self.kill_now()
        deadline = time.monotonic() + GONE_SECONDS
        while not self._is_gone and time.monotonic() < deadline:
            is_readable(self._connection.fileno(), 0.1)
            self._hear()
        self._close_pipes()
        self._connection.close()

    def _command(self, letter: bytes) -> None:
        with suppress(OSError):
            self._connection.send(letter)
