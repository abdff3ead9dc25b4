"""Who else looks at a task now, and at which lines: told by each page, and asked by it
in the same request (docs/decisions/0054)."""

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView
from tasks.access.authentication import KeyOwner
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Lines, Presence, Task
from tasks.problems import no_such_task

MOST_LINES = 2**53 - 1  # the largest whole number that is exact in JavaScript
NAMES = ("first", "last", "look")


class PresenceView(ApiView):
    """``{"first": 1, "last": 40}``, and ``"look": [5, 9]`` where the others shall look
    there. Only between pages: no part of the API, and of no use without a session."""

    schema = None
    rate_scope = "presence"

    def post(self, request: Request, task_id: uuid.UUID) -> Response | HttpResponse:
        user: Any = request.user
        if isinstance(user, KeyOwner):
            raise PermissionDenied(_("Only people who are signed in are seen here."))
        sight, look = _read(request.data)
        if not Task.objects.filter(pk=task_id).exists():
            return no_such_task()
        people = Presence.objects
        people.note(task_id, user.pk, user.get_username(), sight, look)
        people.forget()
        others = people.others(task_id, user.pk)
        return Response({"people": [_said(other) for other in others]})


def _said(other: Any) -> dict[str, Any]:
    """Return what others are told of somebody; ``at`` tells one hint from the next."""
    look = other.has_asked and {
        "first": other.look_first,
        "last": other.look_last,
        "at": int(other.looked_at.timestamp() * 1000),
    }
    return {
        "name": other.name,
        "first": other.first,
        "last": other.last,
        "look": look or None,
    }


def _read(body: Any) -> tuple[Lines, Lines | None]:
    """Return the lines in sight, and those to look at. Raises ParameterErrors."""
    there = ", ".join(NAMES)
    unknown = _("There is no such parameter; there are: %(names)s.") % {"names": there}
    errors = {name: [unknown] for name in body if name not in NAMES}
    sight = [body.get("first"), body.get("last")]
    if not _are_lines(sight, least=0):
        errors["first"] = [_("First and last take the numbers of two lines, in order.")]
    look = body.get("look")
    if look is not None and not _are_lines(look, least=1):
        errors["look"] = [_("It takes the numbers of two lines, in order: [5, 9].")]
    if errors:
        raise ParameterErrors(errors)
    return Lines(*sight), None if look is None else Lines(*look)


def _are_lines(value: Any, *, least: int) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    if not all(type(number) is int for number in value):
        return False
    return bool(least <= value[0] <= value[1] <= MOST_LINES)
