"""Hand-over links: making and withdrawing them, each in one place, and each in the
audit trail; and whom a token lets in."""

import re
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled

from tasks.access import rate_limits
from tasks.access.actor import Actor, Scope, record
from tasks.access.addresses import neighbourhood_of
from tasks.catalog.task_type import ParameterErrors
from tasks.models import AuditEvent, HandOverLink, Task
from tasks.timestamps import iso

DEFAULT_LIFE = "3d"
LONGEST_LIFE = timedelta(days=90)  # what is to stay longer, an export keeps
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LIFE = re.compile(r"([1-9][0-9]{0,5})([mhd])")
MOST_USABLE = 50  # of one task


def life_of(text: object) -> timedelta:
    """Return how long a link is good, from ``3d``, ``12h`` or ``30m``. Raises
    ParameterErrors."""
    found = LIFE.fullmatch(text) if isinstance(text, str) else None
    life = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None
    if life is None or life > LONGEST_LIFE:
        message = _("Must be a time in m, h or d, of 90d at most: 3d.")
        raise ParameterErrors({"expiresIn": [message]})
    return life


def let_share(actor: Actor) -> None:
    """Raise ScopeTooSmall for who may only read: whoever starts tasks hands them
    over."""
    actor.needs(Scope.START, has_it=actor.rights.starts_something)


def make_link(task: Task, actor: Actor, life: timedelta) -> tuple[HandOverLink, str]:
    """Return a new link, and its token, which is kept nowhere. Raises ScopeTooSmall,
    and ParameterErrors where the task has too many."""
    let_share(actor)
    if HandOverLink.objects.usable().filter(task_id=task.pk).count() >= MOST_USABLE:
        text = _("This task has 50 links already; withdraw some first.")
        raise ParameterErrors({"expiresIn": [text]})
    with transaction.atomic():
        expires_at = timezone.now() + life
        link, token = HandOverLink.objects.issue(task.pk, actor.name, expires_at)
        record(
            actor,
            AuditEvent.Action.LINK_MADE,
            task.pk,
            link=str(link),
            expires=iso(expires_at),
        )
    return link, token


def withdraw_link(link: HandOverLink, actor: Actor) -> None:
    """From now on the link opens nothing, and what it opened is closed; to do it twice
    is no error. Raises ScopeTooSmall."""
    let_share(actor)
    with transaction.atomic():
        standing = HandOverLink.objects.filter(pk=link.pk, withdrawn_at=None)
        if standing.update(withdrawn_at=timezone.now(), withdrawn_by=actor.name[:200]):
            link.refresh_from_db()
            record(
                actor,
                AuditEvent.Action.LINK_WITHDRAWN,
                link.task_id,
                link=str(link),
                opened=link.opened_count,
            )


class LinkEnded(Exception):
    """A link that was good once shows nothing now; the message says why."""


def link_for(request: HttpRequest, token: str) -> HandOverLink:
    """Return the link with this token, once the request was counted.

    Raises Throttled; HandOverLink.DoesNotExist where there is none; LinkEnded.
    """
    who = f"link:{neighbourhood_of(request)}"
    if seconds := rate_limits.seconds_to_wait(request, "public", who):
        raise Throttled(wait=seconds)
    link = HandOverLink.objects.known_as(token)
    if link is None:
        raise HandOverLink.DoesNotExist
    if link.withdrawn_at is not None:
        raise LinkEnded(_("This link was withdrawn."))
    if not link.is_usable:
        raise LinkEnded(_("This link has expired."))
    return link


def task_of_link(link: HandOverLink) -> Task:
    """Return what a link shows. Raises LinkEnded where it was deleted."""
    task = Task.objects.filter(pk=link.task_id).first()
    if task is None:
        raise LinkEnded(_("The task behind this link was deleted."))
    return task
