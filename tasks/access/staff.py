"""Who may open a page, as whom they act, and what of it they may do."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from tasks.access.actor import Actor
from tasks.access.addresses import address_of
from tasks.access.rights import may_come_in, rights_of

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def staff_page(view: View[P]) -> View[P]:
    """A page for staff who are signed in and in one of the groups; never out of a
    cache."""
    return staff_form(HttpRequest.get_full_path)(view)


def staff_form(
    back_to: Callable[[HttpRequest], str],
) -> Callable[[View[P]], View[P]]:
    """The same for a page that takes a form, too: ``back_to`` says where whoever had
    to sign in first comes back to after a POST."""

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def page(
            request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            if may_come_in(request.user):
                return view(request, *args, **kwargs)
            is_form = request.method == "POST"
            back = back_to(request) if is_form else request.get_full_path()
            return _sign_in_first(request, back)

        return never_cache(page)

    return decorate


def _sign_in_first(request: HttpRequest, back_to: str) -> HttpResponse:
    if request.method == "POST":
        text = _("Nothing was done: you were not signed in. Sign in and try again.")
        messages.warning(request, text)
    return redirect_to_login(back_to, reverse("admin:login"))


def actor(request: HttpRequest) -> Actor:
    """Return who asks, as the audit trail will name them."""
    user = request.user
    return Actor(user.get_username(), address_of(request), rights_of(user))
