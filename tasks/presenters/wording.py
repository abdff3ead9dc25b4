"""How people say it: the shapes of statuses and lines, durations, ages."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from tasks.estimates import Usual
from tasks.models import LogLine, Task

SHAPES = {
    Task.Status.PENDING: "◌",
    Task.Status.RUNNING: "●",
    Task.Status.BLOCKED: "◇",
    Task.Status.COMPLETED: "✓",
    Task.Status.FAILED: "✕",
    Task.Status.CANCELLED: "⊘",
}
CANCELLING = "cancelling"  # a running task whose end was asked for; on pages alone
CANCELLING_SHAPE = "⊖"
BYTE_UNITS = ("kB", "MB", "GB", "TB")
# The levels of lines, for their translation.
LEVEL_WORDS = (
    gettext_noop("info"),
    gettext_noop("stdout"),
    gettext_noop("stderr"),
    gettext_noop("success"),
    gettext_noop("warning"),
    gettext_noop("error"),
)
LEVEL_MARKS = {
    LogLine.Level.INFO: "›",
    LogLine.Level.SUCCESS: "✓",
    LogLine.Level.WARNING: "⚠",
    LogLine.Level.ERROR: "✕",
}


def duration_text(seconds: float) -> str:
    """``840 ms``, ``1.6 s``, ``12 s``, ``2 m 14 s``, ``1 h 5 m``."""
    if seconds < 1:
        return _("%(n)s ms") % {"n": round(max(seconds, 0) * 1000)}
    if seconds < 10 and not float(seconds).is_integer():
        return _("%(s)s s") % {"s": f"{seconds:.1f}"}
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return _("%(h)s h %(m)s m") % {"h": hours, "m": minutes}
    if minutes:
        return _("%(m)s m %(s)s s") % {"m": minutes, "s": rest}
    return _("%(s)s s") % {"s": rest}


def usual_text(usual: Usual) -> str:
    """Return between which times nearly all of the newest runs were."""
    fast, slow = (duration_text(round(s, 1)) for s in usual[1:])
    text = _("The newest runs took between {fast} and {slow}.")
    return text.format(fast=fast, slow=slow)


def bytes_text(size: int) -> str:
    """``999 B``, ``4.1 MB``, in powers of 1,000, as the log has it."""
    if size < 1000:
        return f"{size} B"
    value, unit = size / 1000, 0
    while value >= 999.95 and unit < len(BYTE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {BYTE_UNITS[unit]}"


def ago_text(moment: datetime, now: datetime) -> str:
    """``3 min ago``; the exact time belongs beside it."""
    seconds = int((now - moment).total_seconds())
    if seconds < 10:
        return _("just now")
    if seconds < 60:
        return ngettext("%(n)s s ago", "%(n)s s ago", seconds) % {"n": seconds}
    if seconds < 3600:
        count = seconds // 60
        return ngettext("%(n)s min ago", "%(n)s min ago", count) % {"n": count}
    if seconds < 86400:
        count = seconds // 3600
        return ngettext("%(n)s h ago", "%(n)s h ago", count) % {"n": count}
    count = seconds // 86400
    return ngettext("%(n)s day ago", "%(n)s days ago", count) % {"n": count}
