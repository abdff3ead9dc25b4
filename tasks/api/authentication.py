"""Who asks: a program with a key, or a person with a staff session."""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from tasks.actors import Scope
from tasks.api import throttles
from tasks.api.throttles import address_of, neighbourhood_of, seconds_to_wait
from tasks.models import ApiKey

# last_used_at is for people who tidy up; a write a request would be too dear.
LAST_USED_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyOwner:
    """The user of a request that came with a key."""

    name: str
    counted_as: str
    scope: Scope
    is_authenticated: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """``X-API-Key: KEY`` or ``Authorization: Bearer KEY``.

    A wrong key is refused whatever else the request carries, and counts against its
    address: beyond the limit no key from there is looked at, so that none can be
    found by trying.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        secret = given_key(request)
        if secret is None:
            return None
        scope: throttles.Scope = getattr(
            (request.parser_context or {}).get("view"), "rate_scope", "read"
        )
        who = f"wrong-key:{neighbourhood_of(request._request)}"
        if seconds := seconds_to_wait(request._request, scope, who, spend=False):
            raise exceptions.Throttled(wait=seconds)
        owner = _owner(secret, address_of(request._request))
        if owner is None:
            seconds_to_wait(request._request, scope, who)
            raise exceptions.AuthenticationFailed(_("The API key is wrong."))
        return owner, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="resource-sync"'


def given_key(request: Request | HttpRequest) -> str | None:
    """The key that a request carries, right or wrong; None if it has none."""
    if "X-API-Key" in request.headers:
        return str(request.headers["X-API-Key"]).strip()
    found = re.fullmatch(
        r"\s*bearer(?:\s+(.*))?", request.headers.get("Authorization", ""), re.I | re.S
    )
    return (found[1] or "").strip() if found else None


def _owner(secret: str, address: str | None) -> KeyOwner | None:
    """Whose key this is; None where it is nobody's.

    Raises AuthenticationFailed where it opens nothing any more, and PermissionDenied
    where it comes from elsewhere.
    """
    if _is_bootstrap_key(secret):
        return KeyOwner("bootstrap", "key:bootstrap", Scope.ADMIN)
    if not (secret.isascii() and secret.isprintable()):
        return None  # none of our own is like that, and PostgreSQL refuses NUL
    key = ApiKey.objects.known_as(secret)
    if key is None:
        return None
    now = timezone.now()
    if key.revoked_at is not None:
        raise exceptions.AuthenticationFailed(_("The API key has been revoked."))
    if key.has_expired(now):
        raise exceptions.AuthenticationFailed(_("The API key has expired."))
    if not key.opens_from(address):
        text = _("This API key may not be used from the address %(address)s.")
        raise exceptions.PermissionDenied(text % {"address": address or "–"})
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_PRECISION:
        ApiKey.objects.note_use(key.pk, now, address)
    return KeyOwner(f"key:{key.name}", f"key:{key.pk}", Scope(key.scope))


def _is_bootstrap_key(secret: str) -> bool:
    if not settings.API_KEY:
        return False
    try:
        given = secret.encode("latin-1")  # as servers decode headers
    except UnicodeEncodeError:
        given = secret.encode("utf-8", "surrogatepass")
    return secrets.compare_digest(given, settings.API_KEY.encode())


class StaffSessionAuthentication(SessionAuthentication):
    """The Django session of staff; unsafe methods need the CSRF token as well."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        _open_session(request._request)
        user = request._request.user
        if not user.is_authenticated or not user.is_active:
            return None
        if not user.is_staff:
            raise exceptions.PermissionDenied(_("Only staff may use the API."))
        # Not the framework's request: looking for a token in the form would make it
        # parse the body, which can be read only once.
        self.enforce_csrf(request._request)  # type: ignore[arg-type]
        return user, None


def _open_session(request: HttpRequest) -> None:
    """Do what the middleware does, for a request that has not been through it."""
    if hasattr(request, "user"):
        return

    def nothing(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    SessionMiddleware(nothing).process_request(request)
    AuthenticationMiddleware(nothing).process_request(request)
