"""Read-only admin pages, and how they show what is empty, a time or a state."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tasks.admin.own_filters import OwnFilters
from tasks.presenters.wording import ago_text

NOTHING = "–"


class LookedAt(OwnFilters):
    """Seen by those who may view it; added, edited and deleted by nobody."""

    show_full_result_count = False
    empty_value_display = NOTHING

    class Media:
        css = {"all": ["css/task.css", "css/log.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def marked(shape: str, word: object, colour: str) -> SafeString:
    """A state as shape, word and the colour of a task's status that means as much."""
    return format_html(
        '<span class="status" data-status="{}">{} {}</span>', colour, shape, word
    )


def time_ago(moment: Any) -> SafeString | str:
    """``3 min ago`` with the exact time on hover."""
    if moment is None:
        return NOTHING
    exact = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact,
        ago_text(moment, timezone.now()),
    )


def exact_time(moment: datetime) -> SafeString:
    """``2026-11-30 02:18:33 UTC``, as records are compared. The page's script says it
    in the reader's zone, with its name, and keeps this one on hover."""
    utc = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}" data-exact>{}</time>',
        moment.isoformat(),
        ago_text(moment, timezone.now()),
        utc,
    )
