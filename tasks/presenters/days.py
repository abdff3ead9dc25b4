"""Days as headings and filters say them."""

from datetime import date

from django.utils.dateformat import format as formatted
from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def day_text(day: date, today: date) -> str:
    """``Fri 27 Nov``; with its year where that is another than today's."""
    pattern = (
        pgettext("a day's format, as of Django's filter date", "D j M")
        if day.year == today.year
        else pgettext("a day's format, as of Django's filter date", "D j M Y")
    )
    return formatted(day, pattern)


def short_day_text(day: date) -> str:
    """``27 Nov``, for an axis."""
    return formatted(day, pgettext("a day's format, as of Django's filter date", "j M"))


def nearness(day: date, today: date) -> str:
    """``Today`` and ``Yesterday``; "" for any other day."""
    return {0: _("Today"), 1: _("Yesterday")}.get((today - day).days, "")
