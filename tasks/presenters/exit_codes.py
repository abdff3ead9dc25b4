"""Exit codes in words, where they say more than that a program failed."""

import signal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

BY_SIGNAL = 128  # what shells add to the number of a signal
WORDS = {
    126: gettext_noop("not executable"),
    127: gettext_noop("command not found"),
}
# Nobody says who sent a SIGKILL; most come from a kernel without memory.
SIGNALS = {
    signal.SIGKILL: gettext_noop("killed (out of memory?)"),
    signal.SIGTERM: gettext_noop("terminated"),
    signal.SIGINT: gettext_noop("interrupted"),
    signal.SIGABRT: gettext_noop("aborted"),
    signal.SIGSEGV: gettext_noop("crashed (invalid memory access)"),
    signal.SIGBUS: gettext_noop("crashed (invalid memory access)"),
    signal.SIGPIPE: gettext_noop("nobody read its output"),
}


def words_of_exit(code: int) -> str:
    """Return what an exit code says; "" where that is nothing in particular."""
    words = WORDS.get(code) or SIGNALS.get(_signal_of(code))  # type: ignore[call-overload]
    return _(words) if words else ""


def _signal_of(code: int) -> int:
    return -code if code < 0 else code - BY_SIGNAL
