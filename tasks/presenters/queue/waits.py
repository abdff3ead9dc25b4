"""What tasks in the queue wait for, as pages say it."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from tasks.models import Task
from tasks.presenters.names import name_of, person
from tasks.presenters.queue.limits import said_limit
from tasks.presenters.queue.pauses import said_pause
from tasks.waiting import WaitingFor


def said_waiting(waiting: WaitingFor) -> str:
    """Return what a task waits for, as HTML."""
    return format_html("{} · {}", said_cause(waiting), said_place(waiting))


def said_place(waiting: WaitingFor) -> str:
    """Return how many are before it in the queue."""
    if waiting.position == 1:
        return _("next in the queue")
    return _("position {n} in the queue").format(n=f"{waiting.position:,}")


def said_cause(waiting: WaitingFor) -> str:
    """Return what a task, or several, wait for, without the place in the queue."""
    if waiting.pause is not None:
        return said_pause(waiting.pause)
    if waiting.task is not None:
        link = format_html(
            '<a href="{}">{}</a>',
            reverse("task", args=[waiting.task.pk]),
            name_of(waiting.task),
        )
        text = _("Waiting for {task} (started by {name}) to finish (same lock)")
        if waiting.task.status == Task.Status.BLOCKED:
            text = _(
                "Waiting for {task} (started by {name}), which awaits an approval "
                "(same lock)"
            )
        return format_html(text, task=link, name=person(waiting.task.created_by) or "–")
    if waiting.labels:
        text = _("Waiting: no active runner has these labels: {labels}")
        return text.format(labels=", ".join(waiting.labels))
    if waiting.reason == "runner":
        return _("Waiting: no active runner accepts this type")
    if waiting.most is None:
        return _("Starting in a moment")
    return _("Waiting: {why}").format(why=said_limit(waiting))
