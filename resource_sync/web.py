"""One web process: Daphne, on a listening socket of its own.

``python -m resource_sync.web``, as often as WEB_PROCESSES says; docs/decisions/0007
says why each has its own socket.
"""

import asyncio
import logging
import os
import resource
import socket
from contextlib import suppress
from importlib import import_module
from typing import Any

from resource_sync import memory
from resource_sync.gc_pause import gc_paused
from resource_sync.http.listen_socket import bound_socket, listen
from resource_sync.private_files import refuse_another_account

logger = logging.getLogger(__name__)

# Where the hard limit is "unlimited", macOS takes no more than its OPEN_MAX.
OPEN_MAX = 10_240


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
    with gc_paused():
        from django.conf import settings

        refuse_another_account(settings)
        host, port = settings.HOST, settings.PORT
        allow_many_files()
        memory.keep_few_arenas()
        bound = bound_socket(host, port, shared=settings.WEB_PROCESSES > 1)
        endpoint = inherited(bound)
        # All that is slow comes before: once it listens, it gets connections.
        import_module("resource_sync.asgi")
        from tasks.instruments import exchange

        read_task_types()
        look_after_runners()
        give_memory_back()
    exchange.join("web")
    listen(bound, host, port)
    logger.info("Listening on %s, port %d.", host, port)
    say_ready()
    bound.detach()  # Daphne's from here: it takes a copy and closes this one
    serve(endpoint)


def read_task_types() -> None:
    """Read them now, so that a later change counts from the next start on, as it does
    for the runner."""
    from tasks.catalog.loader import catalog
    from tasks.catalog.toml_tables import CatalogError

    try:
        catalog()
    except CatalogError as error:
        raise SystemExit(str(error)) from error


def allow_many_files() -> None:
    """Raise the soft limit of open files: every stream is one, and the usual limit is
    1,024. Only here, because the runner's jobs may count on the usual one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    for wanted in (hard, max(soft, OPEN_MAX)):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def inherited(bound: socket.socket) -> str:
    """The endpoint by which Daphne finds this socket, as if systemd had passed it.

    Call it before anything of Twisted is loaded, which reads the environment then.
    Daphne's own ``--fd`` takes every socket for IPv4 and gives IPv6 clients addresses
    out of thin air.
    """
    number = bound.fileno()
    count = number - 2  # the first one that systemd passes is 3
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(count)
    os.environ["LISTEN_FDNAMES"] = ":".join([*["other"] * (count - 1), "web"])
    family = "INET6" if bound.family == socket.AF_INET6 else "INET"
    return f"systemd:domain={family}:name=web"


def say_ready() -> None:
    """Tell systemd, where it asked to be told, so that `systemctl restart` returns when
    this process takes connections, and the next one may be restarted.

    The protocol is that of sd_notify(3).
    """
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, which has no file
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.connect(address)
            told.sendall(b"READY=1")
    except OSError as error:
        logger.warning("NOTIFY_SOCKET: systemd can't be told of the start: %s", error)


def look_after_runners() -> None:
    """See that a dead runner's tasks end, also where no runner is left to do it."""
    # After the application, which brings the reactor that Daphne needs.
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred
    from twisted.internet.task import LoopingCall

    from resource_sync.asgi import django_app
    from tasks.reaper import WATCH_SECONDS, Reaper

    reaper = Reaper()

    def look() -> Deferred[None]:
        done = django_app.between_requests(reaper.look_or_log)
        return Deferred.fromFuture(asyncio.ensure_future(done))

    reactor: Any = installed  # which one is only known at run time
    reactor.callWhenRunning(LoopingCall(look).start, WATCH_SECONDS)


def give_memory_back() -> None:
    """Give back what was only needed for a while, every few seconds."""
    from twisted.internet import reactor as installed
    from twisted.internet.task import LoopingCall
    from twisted.internet.threads import deferToThread

    trim = LoopingCall(deferToThread, memory.give_back)
    reactor: Any = installed  # which one is only known at run time
    reactor.callWhenRunning(trim.start, memory.TRIM_SECONDS, now=False)


def serve(endpoint: str) -> None:
    """Until a signal ends it."""
    from daphne.cli import CommandLineInterface

    from resource_sync.http.body_policy import BodyPolicy
    from streaming.http.server import Server, limit_requests

    limit_requests(BodyPolicy())
    # No --http-timeout: it cuts running streams. No --proxy-headers: it believes what
    # the client wrote; resource_sync.http.client_address reads them instead.
    # -v 0: no access log.
    options = ["-v", "0", "--no-server-name", "-e", endpoint]
    command = CommandLineInterface()
    command.server_class = Server
    command.run([*options, "resource_sync.asgi:application"])


if __name__ == "__main__":
    main()
