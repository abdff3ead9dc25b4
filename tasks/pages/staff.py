"""Who may open a page, and as whom they act."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from tasks.api.throttles import address_of
from tasks.lifecycle import Actor

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def staff_page(view: View[P]) -> View[P]:
    """A page for staff who are signed in; never out of a cache."""
    guarded = never_cache(staff_member_required(view, login_url="admin:login"))
    return functools.wraps(view)(guarded)


def actor(request: HttpRequest) -> Actor:
    """Who asks, as the audit trail will name them."""
    return Actor(request.user.get_username(), address_of(request))
