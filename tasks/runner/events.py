"""Events that a runner's loop waits for: output and ends of programs, notifications,
signals."""

import select
import selectors
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

from tasks.notifications import Subscription
from tasks.runner.output.pipes import OrderedPipes, Piece, Pipes
from tasks.runner.run import Run


class Events:
    """Selectors over all of it; one leaves the output of programs out."""

    def __init__(self, notifications: Subscription) -> None:
        self._notifications = notifications
        self._notifications_fd = -1
        self._pipes = OrderedPipes() if hasattr(select, "epoll") else Pipes()
        self._all = selectors.DefaultSelector()
        self._all.register(self._pipes, selectors.EVENT_READ)
        self._all_but_output = selectors.DefaultSelector()
        self._run_of: dict[int, Run] = {}
        self._wakeup, self._signals = socket.socketpair()
        self._wakeup.setblocking(False)
        self._signals.setblocking(False)
        for selector in self._selectors:
            selector.register(self._signals, selectors.EVENT_READ)

    def ready(
        self, seconds: float, *, with_output: bool
    ) -> Iterator[tuple[Run | None, int, Piece | None]]:
        """Wait for so long at most. Yield each run of which there is something to read,
        with the descriptor, and what it had where that was read already; for a
        notification no run."""
        self.watch_notifications()
        selector = self._all if with_output else self._all_but_output
        for key, _ in selector.select(seconds):
            if key.fileobj is self._pipes:
                for fd in self._pipes.ready():
                    piece = self._pipes.take(fd)
                    yield self._run_of[fd], fd, piece
                    if piece is None:
                        self._pipes.done(fd)
            elif key.fileobj is self._signals:
                with suppress(BlockingIOError):
                    self._signals.recv(4096)
            else:
                yield key.data, key.fd, None

    def reading(self) -> AbstractContextManager[None]:
        """Return a context in which a thread reads output, in its order."""
        return self._pipes.meanwhile()

    def pieces(self) -> list[tuple[Run, Piece]]:
        """Return what was read in such a context, with whose it is."""
        return [(self._run_of[piece.fd], piece) for piece in self._pipes.pieces()]

    # --- What is watched ------------------------------------------------------------

    def watch(self, run: Run) -> None:
        """Follow the child that a run has now.

        A new child may have the very numbers of pipes just closed, so pipes are
        compared by child, never by number alone.
        """
        child = run.execution.child
        wanted = set(child.open_pipes) if child else set()
        is_same = child is run.child
        for fd in run.fds - wanted if is_same else run.fds:
            self._forget(fd)
        if child is not None and not is_same:
            self._pipes.watch(*child.open_outputs)
            self._run_of |= dict.fromkeys(child.open_outputs, run)
            for fd in child.open_news:
                for selector in self._selectors:
                    selector.register(fd, selectors.EVENT_READ, run)
        run.child, run.fds = child, wanted

    def _forget(self, fd: int) -> None:
        if self._run_of.pop(fd, None):
            self._pipes.forget(fd)
        else:
            for selector in self._selectors:
                selector.unregister(fd)

    def watch_notifications(self) -> None:
        """Follow the connection that brings notifications, which may be another now."""
        fd = self._notifications.fileno()
        if fd == self._notifications_fd:
            return
        for selector in self._selectors:
            if self._notifications_fd >= 0:
                with suppress(KeyError, ValueError):
                    selector.unregister(self._notifications_fd)
            if fd >= 0:
                selector.register(fd, selectors.EVENT_READ, None)
        self._notifications_fd = fd

    def wake_by_signals(self) -> None:
        """Have any signal end a wait."""
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)

    def wake(self) -> None:
        """End a wait, from any thread."""
        with suppress(OSError):  # it will end anyway, or is over
            self._wakeup.send(b"\0")

    def ignore_signals(self) -> None:
        signal.set_wakeup_fd(-1)

    def close(self) -> None:
        self._pipes.close()
        for selector in self._selectors:
            selector.close()
        self._signals.close()
        self._wakeup.close()

    @property
    def _selectors(self) -> tuple[selectors.BaseSelector, selectors.BaseSelector]:
        return self._all, self._all_but_output
