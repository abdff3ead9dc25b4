"""The fork server of a runner: forks a shim for each program that it is told to start.

Run as a script, without Django, so that it is small and forks quickly. The ways of
dying:

- the runner: its end of each shim's connection closes, and each kills everything;
- a shim: its descendants become the server's, which kills what is no shim;
- the server: the shims go on, and the runner starts another server for what follows.

A runner may also lose its lease without dying: stopped by a signal, or hung. Others
then run its tasks, so the server has the shims end all that they have, and takes no
order any more.

What is said on the connections is in ``tasks.shim.client``.
"""

import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

if __name__ == "__main__":  # started by its path, without the project's on sys.path
    sys.path.append(os.path.abspath(f"{__file__}/../../.."))

from tasks.shim.descendants import become_subreaper, is_stopped, living, send
from tasks.shim.messages import LEASE_LOST, ORDER_FDS, receive, send_order
from tasks.shim.shim import KILL_SECONDS, Shim, refusal
from tasks.shim.wakeups import drain, waker

WATCH_SECONDS = 1.0  # between two looks at the runner
STOPPED_SECONDS = 12.0  # a runner's lease: stopped for so long, it has lost it
GROUP_ONLY, SUBREAPER = "group", "subreaper"


class LeaseWatch:
    """Whether a runner can still have its lease: it is not stopped, and it says from
    time to time that its heartbeat was taken.

    Who was stopped himself has seen nothing: then the runner gets the chance to say
    something first.
    """

    def __init__(self, pid: int, patience_seconds: float) -> None:
        self.pid, self.patience_seconds = pid, patience_seconds
        self.looked_at = self.went_on_at = self.confirmed_at = time.monotonic()

    def confirm(self) -> None:
        self.went_on_at = self.confirmed_at = time.monotonic()

    def is_lost(self) -> bool:
        """Look once; to be called about every WATCH_SECONDS."""
        was_away = time.monotonic() - self.looked_at > 3 * WATCH_SECONDS
        self.looked_at = time.monotonic()
        if was_away:
            self.confirm()
        if not is_stopped(self.pid):
            self.went_on_at = self.looked_at
        return (
            self.looked_at - self.went_on_at >= STOPPED_SECONDS
            or self.looked_at - self.confirmed_at >= self.patience_seconds
        )


class Server:
    """Hands each of the runner's orders to a shim, of which one waits already."""

    def __init__(self, runner: socket.socket, patience_seconds: float) -> None:
        self.runner = runner
        self.lease = LeaseWatch(os.getppid(), patience_seconds)
        self.takes_orders, self.is_lease_lost = True, False
        is_subreaper = become_subreaper()
        self.shims: set[int] = set()
        self.wake = waker()
        self.spare: socket.socket | None = None
        self.prepare()
        holds = SUBREAPER if is_subreaper else GROUP_ONLY
        self.runner.sendall(json.dumps({"holds": holds}).encode() + b"\n")

    def serve(self) -> None:
        poller = select.poll()
        for fd in (self.runner.fileno(), self.wake):
            poller.register(fd, select.POLLIN)
        while self.takes_orders or self.shims:
            ready = [fd for fd, _ in poller.poll(WATCH_SECONDS * 1000)]
            if self.wake in ready:
                drain(self.wake)
                self.reap()
            if not self.takes_orders:
                continue
            if self.runner.fileno() in ready and not self.take_order():
                # It is gone; the shims see that for themselves.
                self.takes_orders = False
            elif self.lease.is_lost():
                self.takes_orders, self.is_lease_lost = False, True
                for pid in self.shims:
                    send(pid, signal.SIGUSR1)
            if not self.takes_orders:
                poller.unregister(self.runner)
                self.forget_spare()

    def take_order(self) -> bool:
        """Have an order carried out, or refuse it; False where no more will come."""
        try:
            message, fds = receive(self.runner)
        except EOFError:
            return False
        if not message:
            self.lease.confirm()
            return True
        try:
            self.hand_on(message, fds)
        except OSError as error:  # a limit of the system's, which others may not meet
            refuse(message, fds, error)
        finally:
            for fd in fds:
                os.close(fd)
        self.prepare()
        return True

    def hand_on(self, message: bytes, fds: list[int]) -> None:
        if len(fds) < ORDER_FDS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if self.spare is not None:
            try:
                return send_order(self.spare, message, fds)
            except OSError:  # somebody killed it
                self.forget_spare()
        self.spare = self.new_shim()
        return send_order(self.spare, message, fds)

    def prepare(self) -> None:
        """Have a shim wait for the next order; where there can be none now, that
        order will try again."""
        self.forget_spare()
        with suppress(OSError):
            self.spare = self.new_shim()

    def forget_spare(self) -> None:
        if self.spare is not None:
            self.spare.close()
            self.spare = None

    def new_shim(self) -> socket.socket:
        """The socket on which it takes its order."""
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid:
            self.shims.add(pid)
            theirs.close()
            return ours
        try:
            ours.close()
            self.runner.close()
            shim = Shim()
            if shim.wait_for_order(theirs):
                shim.run()
        except BaseException:  # noqa: BLE001 (what it leaves becomes the server's)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    def reap(self) -> None:
        """Reap shims, and end what is left by those that were killed themselves."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                self.shims.discard(pid)
                if status:
                    self.end_orphans()

    def end_orphans(self) -> None:
        """Kill the programs of a shim that was killed. They are this process's children
        now; each one that ends leaves it its own children in turn."""
        me, deadline = os.getpid(), time.monotonic() + KILL_SECONDS
        while time.monotonic() < deadline:
            orphans = [
                pid
                for pid, (parent, _) in living().items()
                if parent == me and pid not in self.shims
            ]
            if not orphans:
                return
            for pid in orphans:
                send(pid, signal.SIGKILL)
            time.sleep(0.002)
            for pid in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def refuse(message: bytes, fds: list[int], error: OSError) -> None:
    """Tell on an order's own connection why it is not carried out; where not even that
    came through, closing it tells that."""
    if fds:
        runner = socket.socket(fileno=os.dup(fds[0]))
        with runner, suppress(OSError):
            news = {"refused": refusal(error, json.loads(message))}
            runner.sendall(json.dumps(news).encode() + b"\n")


def main() -> None:
    # Whoever stops a runner asks the runner; it tells us by going.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    gc.freeze()  # what a fork shares stays shared
    gc.disable()
    signal.signal(signal.SIGUSR1, lambda *_: None)
    server = Server(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]))
    server.serve()
    if server.is_lease_lost:
        sys.exit(LEASE_LOST)


if __name__ == "__main__":
    main()
