"""The page of an account: who somebody is here, and what they may do."""

from typing import NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from tasks.access.actor import Actor
from tasks.access.second_factor import PASSWORD_BACKEND, factor_of
from tasks.access.staff import actor, staff_page
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType

# What each of the three groups may do, one sentence each; a group may what those
# before it may, too.
MAY = {
    "viewer": _("See tasks, logs, releases and figures."),
    "operator": _("Start tasks and rerun anybody's; cancel and pin one's own."),
    "admin": _(
        "Start everything, in a freeze with a reason; freeze types and pause the "
        "queue; make schedules; cancel and pin anybody's tasks; manage keys and "
        "people, and read the audit trail."
    ),
}


class Startable(NamedTuple):
    """A task type, and whether the one who asks may start it."""

    kind: TaskType
    title: str
    may_start: bool

    @property
    def by(self) -> list[str]:
        """Return the groups whose people start it."""
        if self.kind.allow:
            return [*self.kind.allow, "admin"]
        return ["admin"] if self.kind.confirm else ["operator", "admin"]


@require_GET
@staff_page
def account(request: HttpRequest) -> HttpResponse:
    who = actor(request)
    context = {
        "groups": sorted(who.rights.groups),
        "is_superuser": request.user.is_superuser,
        "may": _may(who),
        "by_provider": request.session.get(BACKEND_SESSION_KEY) != PASSWORD_BACKEND,
        "has_factor": factor_of(request.user) is not None,
        "types": [
            Startable(kind, kind.local(kind.title), who.may_start(kind))
            for kind in catalog().values()
            if not kind.hidden
        ],
    }
    return render(request, "account.html", context)


def _may(who: Actor) -> list[object]:
    """Return the sentences of what they may, from the smallest right on."""
    names = list(MAY)
    return [MAY[name] for name in names[: names.index(who.rights.group) + 1]]
