"""Reasons as sentences in the reader's language."""

from collections.abc import Callable

from django.utils.translation import gettext, ngettext

from tasks.reasons import Reason


def localized(reason: Reason, local: Callable[[str], str] = str) -> str:
    """Return a reason in the language of this thread, with the names of steps as
    ``local`` has them. Raises KeyError of a code that only another version knows."""
    return reason.sentence(gettext, ngettext, local)
