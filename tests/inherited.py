"""What the programs that tests start inherit from the shell that started the tests.

A job in a script's background ignores SIGINT, one of nohup SIGHUP, and so does all that
it starts: a program that is asked to end by one of them then never does.
"""

import signal
from typing import Any


def hear_again() -> None:
    """Go on ignoring what is ignored, but by a handler, which no program inherits."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _ignore)


def _ignore(*_: Any) -> None:
    pass
