"""What is asked before the queue is paused, and before types are frozen or not any
more: without script a page, with it a dialog."""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope
from tasks.access.staff import actor, staff_page
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.models import ALL_TYPES, LONGEST_REASON, Freeze
from tasks.presenters.queue.freezes import ShownFreeze
from tasks.queue.freezes import NoSuchFreeze, Window, freeze, unfreeze
from tasks.queue.pauses import pause
from tasks.web.live import live_parts
from tasks.web.zone import zone_of

Errors = Mapping[str, Sequence[str]]
BETWEEN_TYPES = re.compile(r"[\s,，、]+")


@staff_page
def pause_queue(request: HttpRequest) -> HttpResponse:
    _needs_admin(who := actor(request))
    errors: Errors = {}
    if request.method == "POST":
        given = request.POST
        try:
            pause(given.get("type", ALL_TYPES), given.get("reason", ""), who)
            return redirect("queue")
        except ParameterErrors as error:
            errors = error.errors
    return _question(request, "queue/pause.html", errors)


@staff_page
def freeze_types(request: HttpRequest) -> HttpResponse:
    """Times in the form are of the zone in its address, or else of the reader's."""
    _needs_admin(who := actor(request))
    errors: Errors = {}
    zone = zone_of(request)
    if request.method == "POST":
        try:
            _freeze(request.POST, zone, who)
            return redirect("queue")
        except ParameterErrors as error:
            errors = error.errors
    return _question(request, "queue/freeze.html", errors, zone=str(zone))


@staff_page
def lift_freeze(request: HttpRequest, freeze_id: uuid.UUID) -> HttpResponse:
    """One that is not there any more needs no question."""
    _needs_admin(who := actor(request))
    found = Freeze.objects.filter(pk=freeze_id).first()
    if found is None:
        return redirect("queue")
    if request.method == "POST":
        with suppress(NoSuchFreeze):
            unfreeze(freeze_id, who)
        return redirect("queue")
    shown = ShownFreeze(Window.of(found), timezone.now())
    return _question(request, "queue/lift.html", {}, freeze=shown)


def _needs_admin(who: Actor) -> None:
    """Raise ScopeTooSmall for those who would be asked in vain."""
    who.needs(Scope.ADMIN, has_it=who.rights.is_admin)


def _question(
    request: HttpRequest, template: str, errors: Errors, **more: Any
) -> HttpResponse:
    given = (request.POST or request.GET).dict()
    context = {
        "given": given,
        "errors": errors,
        "kinds": [
            (kind.name, kind.local(kind.title))
            for kind in catalog().values()
            if not kind.hidden
        ],
        "longest_reason": LONGEST_REASON,
        "back": reverse("queue"),
        **more,
        **live_parts(),
    }
    return render(request, template, context, status=400 if errors else 200)


def _freeze(given: Mapping[str, str], zone: tzinfo, who: Actor) -> None:
    """Make the freeze that a form asks for. Raises ParameterErrors."""
    errors: dict[str, list[str]] = {}
    begins = timezone.now()
    if given.get("from"):
        begins = _moment(given["from"], zone, "from", errors) or begins
    ends = _moment(given.get("until", ""), zone, "until", errors)
    if errors or ends is None:
        raise ParameterErrors(errors)
    types = [name for name in BETWEEN_TYPES.split(given.get("types", "")) if name]
    freeze(types, begins, ends, given.get("reason", ""), who)


def _moment(
    text: str, zone: tzinfo, name: str, errors: dict[str, list[str]]
) -> datetime | None:
    """Return a time of day in a zone; otherwise note that it is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        errors[name] = [_("Must be a day and a time, such as 2025-11-28 16:00.")]
        return None
