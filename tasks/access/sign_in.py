"""The one-time link by which whoever started the product signs in, as Jupyter's."""

import logging
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import (
    base36_to_int,
    urlsafe_base64_decode,
    urlsafe_base64_encode,
)
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from tasks.access.half_signed_in import sign_in_by_password
from tasks.access.sign_in_audit import note_refusal

logger = logging.getLogger(__name__)

LIFETIME = timedelta(hours=1)


class SignInTokens(PasswordResetTokenGenerator):
    """Tokens that die within an hour, and with the next sign-in however soon it is."""

    key_salt = "tasks.access.sign_in.SignInTokens"

    def check_token(self, user: User | None, token: str | None) -> bool:
        """As Django's, whose tokens are good for days: this is no password's reset."""
        if not super().check_token(user, token):
            return False
        made = base36_to_int(str(token).partition("-")[0])
        return self._num_seconds(self._now()) - made <= LIFETIME.total_seconds()

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        # The parent cuts last_login to seconds: two sign-ins within one would leave
        # the first token alive.
        return f"{super()._make_hash_value(user, timestamp)}{user.last_login}"


tokens = SignInTokens()


def first_administrator() -> User | None:
    """Return ``admin``, or who else was the first that may do everything."""
    able = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    return able.filter(username="admin").first() or able.first()


def sign_in_link(user: User, base_url: str) -> str:
    """An absolute link that signs this user in once. ``base_url`` ends in no slash."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return base_url + reverse("sign-in", args=[uid, tokens.make_token(user)])


# Exempt because POST does nothing here, and that refusal would log the whole path.
@csrf_exempt
@never_cache
def sign_in(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    # HEAD is refused, so that a program looking at the link does not use it up.
    if request.method != "GET":
        return _unlogged(HttpResponseNotAllowed(["GET"]))
    user = _use(uidb64, token)
    if user is None:
        note_refusal(request, by="link")
        return _unlogged(render(request, "sign_in_failed.html", status=403))
    return sign_in_by_password(request, user, reverse("console"))


def _unlogged(response: HttpResponse) -> HttpResponse:
    """The response, of which the log has the route and not the path: whoever reads it
    must not be able to sign in by a link that is still good."""
    logger.warning("%s: /sign-in/…", response.reason_phrase)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _use(uidb64: str, token: str) -> User | None:
    """The user whom the link is for, if it is good; from now on it is not."""
    users = get_user_model().objects.filter(is_active=True, is_staff=True)
    try:
        uid = urlsafe_base64_decode(uidb64).decode()
        with transaction.atomic():
            user = users.select_for_update().get(pk=uid)
            if not tokens.check_token(user, token):
                return None
            user.last_login = timezone.now()
            user.save(update_fields=["last_login"])
            return user
    except (ValueError, OverflowError, users.model.DoesNotExist):
        return None
