"""A child process: started in a session of its own, read as lines, stopped whole.

Knows no database. POSIX only; what only Linux has (pipe size) is guarded.
"""

import codecs
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

READ_BYTES = 128 * 1024
PIPE_BYTES = 1024 * 1024  # the most that an ordinary user may ask for
LINE_LIMIT_BYTES = 64 * 1024
BYTES_PER_CHARACTER = 4  # at most, in UTF-8
STOP_GRACE_SECONDS = 10.0
GONE_SECONDS = 0.5
DRAIN_SECONDS = 2.0  # how long a pipe may outlive the program that wrote to it

Stream = Literal["stdout", "stderr"]


class ChildNotStarted(Exception):
    """The program could not be started. The message is one sentence for people.

    ``exit_code`` is what a shell would say: 127 not found, 126 not executable.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)


class LineCutter:
    """Bytes of any cut in, whole lines of clean text out.

    Broken UTF-8 and NUL become U+FFFD; of a line redrawn with ``\\r`` the last state
    is kept; a line over LINE_LIMIT_BYTES is cut, saying so and how long it was.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._dropped = 0  # bytes of the unfinished line beyond the limit

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        block, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._keep(data)
            return []
        lines = []
        if self._dropped:
            tail, _, block = (block + b"\n").partition(b"\n")
            self._dropped += len(tail)
            lines.append(self._take_rest())
            block = block[:-1] if block else b""
            if not block:
                self._keep(rest)
                return lines
        block, self._rest = self._rest + block, b""
        lines += self._clean_block(block)
        self._keep(rest)
        return lines

    def finish(self) -> list[str]:
        """What is left without a final newline, if anything."""
        return [self._take_rest()] if self._rest else []

    def _keep(self, data: bytes) -> None:
        if not self._dropped:
            data, self._rest = self._rest + data, b""
            # What was drawn before the last return to the line's start is gone.
            data = data[data.rfind(b"\r", 0, -1) + 1 :]
        room = LINE_LIMIT_BYTES + 1 - len(self._rest)
        self._rest += data[:room]
        self._dropped += max(0, len(data) - room)

    def _take_rest(self) -> str:
        line = self._clean(self._rest, self._dropped)
        self._rest, self._dropped = b"", 0
        return line

    def _clean_block(self, block: bytes) -> list[str]:
        if b"\r" not in block and b"\0" not in block:
            # Nothing to clean: the whole block at once, several times as fast.
            lines = block.decode("utf-8", "replace").split("\n")
            if max(map(len, lines)) <= LINE_LIMIT_BYTES // BYTES_PER_CHARACTER:
                return lines
        return [self._clean(line) for line in block.split(b"\n")]

    def _clean(self, line: bytes, dropped: int = 0) -> str:
        if b"\r" in line:
            line = line.rstrip(b"\r").rpartition(b"\r")[2]
        note = ""
        if len(line) + dropped > LINE_LIMIT_BYTES:
            note = f" … [cut: the line has {len(line) + dropped:,} bytes]"
            line = line[:LINE_LIMIT_BYTES]
            # Not a character cut in two, which would look like broken UTF-8.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            return decoder.decode(line).replace("\0", "\ufffd") + note
        return line.decode("utf-8", "replace").replace("\0", "\ufffd")


class Child:
    """A running program. Its pid is also its session's and its group's id."""

    def __init__(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str]
    ) -> None:
        """Raises ChildNotStarted."""
        self._process = _start(argv, cwd, env)
        self.pid = self._process.pid
        assert self._process.stdout  # noqa: S101 (both were asked for)
        assert self._process.stderr  # noqa: S101
        self._pipes: dict[int, tuple[Stream, LineCutter]] = {
            self._process.stdout.fileno(): ("stdout", LineCutter()),
            self._process.stderr.fileno(): ("stderr", LineCutter()),
        }
        for fd in self._pipes:
            os.set_blocking(fd, False)
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                # Over the user's quota the pipe simply stays as it is.
                with suppress(OSError):
                    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._kill_at: float | None = None
        self._exited_at: float | None = None

    @property
    def open_pipes(self) -> tuple[int, ...]:
        """File descriptors to wait for; a pipe that has ended is not among them."""
        return tuple(self._pipes)

    def read(self, fd: int) -> tuple[Stream, list[str]]:
        """What a readable pipe has: its name and the lines now complete."""
        stream, cutter = self._pipes[fd]
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return stream, []
        if data:
            return stream, cutter.feed(data)
        self._close(fd)
        return stream, cutter.finish()

    def has_exited(self) -> bool:
        """Whether the program itself is gone (its descendants may not be). Its pid
        stays taken until ``bury``, so that the group can be signalled safely."""
        if self._exited_at is None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if os.waitid(os.P_PID, self.pid, flags) is not None:
                self._exited_at = time.monotonic()
        return self._exited_at is not None

    def is_over(self) -> bool:
        """Exited, and its output read to the end, or held open by a descendant for
        longer than DRAIN_SECONDS."""
        if not self.has_exited():
            return False
        assert self._exited_at is not None  # noqa: S101 (has_exited() said so)
        return not self._pipes or time.monotonic() - self._exited_at >= DRAIN_SECONDS

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Ask the whole group to end; after the grace it is killed. Returns at once;
        call ``press_on`` from time to time. Asking again changes nothing."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace_seconds
            self._signal(signal.SIGTERM)

    def press_on(self) -> None:
        """Kill a group that was asked to stop and has used up its grace."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)

    @property
    def next_deadline(self) -> float | None:
        """When (time.monotonic) this child needs to be looked at without an event."""
        drained_at = self._exited_at and self._exited_at + DRAIN_SECONDS
        times = [moment for moment in (self._kill_at, drained_at) if moment]
        return min(times, default=None)

    def bury(self) -> tuple[int, list[tuple[Stream, list[str]]]]:
        """End it for good: kill what is left of the group, read what is left in the
        pipes, take the exit status. Returns the status (negative: the signal that
        killed it) and the last lines."""
        self._signal(signal.SIGKILL)
        last = [part for fd in self.open_pipes for part in self._drain(fd)]
        status = self._process.wait()
        self._wait_for_an_empty_group()
        return status, last

    def _wait_for_an_empty_group(self) -> None:
        """A killed process needs a moment to go, and nobody should be told that all
        are gone before. Bounded: without an init, dead orphans stay in the group."""
        deadline = time.monotonic() + GONE_SECONDS
        with suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:
                os.killpg(self.pid, 0)
                time.sleep(0.001)

    def _drain(self, fd: int) -> Iterator[tuple[Stream, list[str]]]:
        """What a pipe still holds, and no more: somebody who left the group may
        write to it for ever."""
        stream, cutter = self._pipes[fd]
        with suppress(BlockingIOError):
            for _ in range(2 * PIPE_BYTES // READ_BYTES):
                if not (data := os.read(fd, READ_BYTES)):
                    break
                yield stream, cutter.feed(data)
        yield stream, cutter.finish()
        self._close(fd)

    def _close(self, fd: int) -> None:
        del self._pipes[fd]
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed and pipe.fileno() == fd:
                pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _start(
    argv: Sequence[str], cwd: str, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    program = argv[0]
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError as error:
        missing = f"The folder {cwd}" if error.filename == cwd else program
        raise ChildNotStarted(f"{missing} was not found.", 127) from error
    except NotADirectoryError as error:
        raise ChildNotStarted(f"{error.filename} is not a folder.", 127) from error
    except PermissionError as error:
        raise ChildNotStarted(f"{program} is not executable.", 126) from error
    except OSError as error:
        reason = f"{program} could not be started: {error.strerror}."
        raise ChildNotStarted(reason, 126) from error
    except ValueError as error:  # a NUL in an argument
        raise ChildNotStarted(
            f"{program} could not be started: {error}.", 126
        ) from error
