"""Stopping Daphne without leaving a request behind that keeps the process alive.

A request that is held by ``Prefer: wait`` sits in a thread that waits for the event
loop; once the loop is gone it would wait for ever, and the process with it (seen for
170 s). So the held ones are answered while the server still can.
"""

from typing import Any

ANSWER_SECONDS = 0.5  # for the last bytes to reach their clients


def answer_held_requests_before_shutdown() -> None:
    """Register with the reactor that Daphne runs; call it once, at the start."""
    from daphne import server  # noqa: F401 (installs the reactor that it needs)
    from twisted.internet import reactor as installed
    from twisted.internet import task, threads

    from tasks.api.prefer import stop_waiting

    reactor: Any = installed  # which one is only known at run time

    def let_go() -> Any:
        answered = threads.deferToThread(stop_waiting)
        return answered.addCallback(lambda _: task.deferLater(reactor, ANSWER_SECONDS))

    reactor.addSystemEventTrigger("before", "shutdown", let_go)
