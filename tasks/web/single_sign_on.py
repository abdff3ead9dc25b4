"""The two addresses of single sign-on, where there is a provider: to it, and back."""

import logging
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tasks.access.addresses import neighbourhood_of
from tasks.access.admission import base_url
from tasks.access.attempts import Attempt, TooManyAttempts
from tasks.access.sign_in_audit import note_refusal, too_many
from tasks.access.single_sign_on import (
    NEXT,
    NotAnswered,
    Refused,
    account_of,
    begin,
    claims_of,
    provider,
)

logger = logging.getLogger(__name__)

# Who has lost a group or the account at the provider is here no longer than a day.
LIFETIME = timedelta(hours=12)
RATE = "60/m"  # from one address
BACKEND = "tasks.access.backends.ProviderBackend"


@require_GET
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """Send somebody to the provider, who comes back to the page that was wanted."""
    # Each asks the provider, for which a thread waits.
    if seconds := Attempt().count(RATE, "oidc", neighbourhood_of(request)):
        return _back(request, too_many(TooManyAttempts(seconds)))
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    callback_url = base_url(request) + reverse("oidc-callback")
    try:
        return begin(request, callback_url, wanted if is_ours else reverse("console"))
    except NotAnswered as error:
        return _not_answered(request, error)


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider vouches for."""
    try:
        user = account_of(request, claims_of(request))
    except NotAnswered as error:
        return _not_answered(request, error)
    except Refused as refused:
        logger.warning("Single sign-on refused: %s", refused.code)
        note_refusal(request, by="oidc", why=refused.code)
        text = _("%(name)s did not sign you in (%(code)s). Try again.")
        return _back(request, text % {"name": _name(), "code": refused.code})
    wanted = request.session.pop(NEXT, reverse("console"))
    login(request, user, backend=BACKEND)
    request.session.set_expiry(LIFETIME)
    return redirect(wanted)


def _name() -> str:
    return str(provider().name)


def _not_answered(request: HttpRequest, error: NotAnswered) -> HttpResponse:
    cause = error.__cause__
    logger.error("The OpenID provider does not answer: %s", type(cause).__name__)
    text = _("%(name)s does not answer. Try again later, or sign in with a password.")
    return _back(request, text % {"name": _name()})


def _back(request: HttpRequest, text: str) -> HttpResponse:
    messages.error(request, text)
    return redirect("admin:login")


urlpatterns = [
    path("sign-in", sign_in, name="oidc-sign-in"),
    path("callback", callback, name="oidc-callback"),
]
