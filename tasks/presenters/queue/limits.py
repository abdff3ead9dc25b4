"""Which limit holds a task up, as people read it."""

from django.utils.translation import ngettext

from tasks.waiting import WaitingFor


def said_limit(waiting: WaitingFor) -> str:
    """Return what is full: its type's limit, or the runners; both before and after a
    task is started, which have other words in front of it."""
    most = waiting.most or 0
    if waiting.reason == "limit":
        text = ngettext(
            "limit of {n} concurrent task of this type reached",
            "limit of {n} concurrent tasks of this type reached",
            most,
        )
    else:
        text = ngettext(
            "the only runner slot is busy",
            "all {n} runner slots are busy",
            most,
        )
    return text.format(n=f"{most:,}")
