"""Acts on a task: which ones people are offered, and what they are told of them."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks import lifecycle
from tasks.access.actor import Actor, ScopeTooSmall
from tasks.access.staff import actor
from tasks.catalog.loader import catalog
from tasks.models import StatusConflict, Task
from tasks.presenters.names import full_name_of
from tasks.reruns import rerun_step


def acts(actor: Actor, task: Task) -> dict[str, bool | int]:
    """Return which buttons of a task somebody is offered, and ``from_step``: the step
    from which it may be run again."""
    kind = catalog().get(task.type)
    return {
        "cancel": actor.may_cancel(task),
        "pin": actor.may_pin(task),
        "rerun": kind is not None and actor.may_start(kind),
        "from_step": rerun_step(task),
    }


def cancel_and_say(request: HttpRequest, task: Task, *, force: bool = False) -> None:
    """Cancel a task and leave a message on what came of it."""
    name = full_name_of(task)
    try:
        asked = lifecycle.request_cancel(task.pk, actor(request), force=force)
    except ScopeTooSmall as refused:
        messages.error(request, f"{name}: {refused}")
    except StatusConflict as conflict:
        status = Task.Status(str(conflict.found)).label
        text = _("%(task)s has already ended: %(status)s.")
        messages.warning(request, text % {"task": name, "status": status})
    else:
        text = (
            _("%(task)s is cancelled.")
            if asked.has_ended
            else _("%(task)s is being cancelled.")
        )
        messages.success(request, text % {"task": name})
