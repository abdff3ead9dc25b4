"""What people call a task, its type, its lines, and whoever acts on it."""

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.access.authentication import BOOTSTRAP_OWNER
from tasks.catalog.definitions import type_of
from tasks.catalog.loader import catalog
from tasks.models import OF_SCHEDULE, Task, schedule_id_of
from tasks.presenters.links import schedule_link

register = template.Library()


def title_of_type(name: str) -> str:
    """Return a type's title in the reader's language; its name where it is gone."""
    kind = catalog().get(name)
    return kind.local(kind.title) if kind else name


@register.filter("task_name")
def name_of(task: Task) -> str:
    """Return what people call a task: its type's title in their language, and its
    version."""
    kind = catalog().get(task.type) or type_of(task)  # mostly without a query
    title = kind.local(kind.title) if kind else task.type
    return f"{title} {task.version}".strip()


def full_name_of(task: Task) -> str:
    """Return the same with what programs call it: where several tasks are named at
    once, or two types have one title."""
    return f"{name_of(task)} ({task.type})"


@register.filter
def person(name: str | None) -> str:
    """Return what people call whoever acted: who acts with the key in ``.env`` is
    stored as "bootstrap", and a schedule with its name behind "schedule:".
    static/js/text.js says the same."""
    if name and name.startswith(OF_SCHEDULE):
        return _("schedule {name}").format(name=name.removeprefix(OF_SCHEDULE))
    return _("key in API_KEY") if name == BOOTSTRAP_OWNER.name else name or ""


@register.filter
def lines(count: int) -> str:
    """Return how many lines that are, as the page's script says it, too."""
    return ngettext("%(n)s line", "%(n)s lines", count) % {"n": f"{count:,}"}


@register.filter
def link_of_schedule(task: Task) -> str:
    """Return where the schedule is that started a task; "" where none did."""
    schedule_id = schedule_id_of(task)
    return schedule_link(schedule_id) if schedule_id else ""
