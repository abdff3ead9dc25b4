"""Stopping Daphne: requests that are held by ``Prefer: wait`` are answered while the
server still can."""

from typing import Any

ANSWER_SECONDS = 0.5  # for the last bytes to reach their clients


def answer_held_requests_before_shutdown() -> None:
    """Register with the reactor that Daphne runs; call it once, at the start."""
    from daphne import server  # noqa: F401 (installs the reactor that it needs)
    from twisted.internet import reactor as installed
    from twisted.internet import task

    from streaming.waiters import stop_waiting

    reactor: Any = installed  # which one is only known at run time

    def let_go() -> Any:
        stop_waiting()
        return task.deferLater(reactor, ANSWER_SECONDS)

    reactor.addSystemEventTrigger("before", "shutdown", let_go)
