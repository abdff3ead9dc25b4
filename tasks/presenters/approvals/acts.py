"""Decisions from pages and the admin: what people are told of them."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.access.staff import actor
from tasks.approvals import decisions
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Task
from tasks.presenters.names import full_name_of


def decide_and_say(
    request: HttpRequest,
    task_id: uuid.UUID,
    *,
    is_approved: bool,
    comment: str = "",
    seen: str | None = None,
) -> None:
    """Approve or reject a task and leave a message on what came of it."""
    decide = decisions.approve if is_approved else decisions.reject
    try:
        task = decide(task_id, actor(request), comment, seen)
    except PermissionDenied as refused:
        messages.error(request, f"{_name(task_id)}: {refused}")
    except ParameterErrors as wrong:
        messages.error(request, f"{_name(task_id)}: {wrong}")
    except (decisions.NotBlocked, decisions.Changed) as late:
        messages.warning(request, f"{_name(task_id)}: {late}")
    else:
        text = _("%(task)s is approved.") if is_approved else _("%(task)s is rejected.")
        messages.success(request, text % {"task": full_name_of(task)})


def _name(task_id: uuid.UUID) -> str:
    return full_name_of(Task.objects.get(pk=task_id))
