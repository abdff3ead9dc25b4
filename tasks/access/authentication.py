"""Who asks: a program with a key, or a person with a staff session."""

import re
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from tasks.access import rate_limits, stream_tokens
from tasks.access.addresses import address_of, neighbourhood_of
from tasks.access.credentials import BOOTSTRAP, Credential
from tasks.access.rate_limits import seconds_to_wait
from tasks.access.rights import EVERYTHING, Rights, rights_of, why_nothing
from tasks.models import ApiKey

# last_used_at is for people who tidy up; a write a request would be too dear.
LAST_USED_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyOwner:
    """The user of a request that came with a key."""

    name: str
    counted_as: str
    rights: Rights
    credential: Credential = BOOTSTRAP
    is_authenticated: bool = True


BOOTSTRAP_OWNER = KeyOwner("bootstrap", "key:bootstrap", EVERYTHING)


class ApiKeyAuthentication(BaseAuthentication):
    """``X-API-Key: KEY`` or ``Authorization: Bearer KEY``.

    A key that opens nothing is refused whatever else the request carries, and counts
    against its address: beyond the limit 429 instead of 401. A right key is let in
    however many wrong ones came from its address: they may be a forgotten job's behind
    the same NAT, and 256 random bits are found by nobody who tries.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        secret = given_key(request)
        if secret is None:
            return None
        try:
            return _owner(secret, address_of(request._request)), None
        except (exceptions.AuthenticationFailed, exceptions.PermissionDenied):
            _count_refusal(request)
            raise

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


def has_known_credentials(request: HttpRequest) -> bool:
    """Return whether a request's key or session is anybody's, usable or not.

    Asked before a body is read, so it counts nothing; the view does.
    """
    secret = given_key(request)
    if secret is None:
        session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        return session.isalnum() and Session.objects.filter(pk=session).exists()
    return _is_bootstrap_key(secret) or _known_as(secret) is not None


def _count_refusal(request: Request) -> None:
    """Count a refused key against its address. Raises Throttled beyond the limit."""
    view: object = (request.parser_context or {}).get("view")
    scope: rate_limits.Scope = getattr(view, "rate_scope", "read")
    who = f"wrong-key:{neighbourhood_of(request._request)}"
    if seconds := seconds_to_wait(request._request, scope, who):
        raise exceptions.Throttled(wait=seconds)


def _owner(secret: str, address: str | None) -> KeyOwner:
    """Whose key this is.

    Raises AuthenticationFailed where it opens nothing, and PermissionDenied where it
    comes from elsewhere.
    """
    if _is_bootstrap_key(secret):
        return BOOTSTRAP_OWNER
    key = _known_as(secret)
    if key is None:
        raise exceptions.AuthenticationFailed(_("The API key is wrong."))
    return _owner_of(key, address)


def _owner_of(key: ApiKey, address: str | None) -> KeyOwner:
    """The owner of a key that is known; raises as ``_owner`` does."""
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
    return KeyOwner(
        f"key:{key.name}",
        f"key:{key.pk}",
        Rights.of_key(key.scope),
        Credential(key_id=key.pk, address=address),
    )


def _known_as(secret: str) -> ApiKey | None:
    # None of ours is anything else, and PostgreSQL refuses NUL.
    is_plain = secret.isascii() and secret.isprintable()
    return ApiKey.objects.known_as(secret) if is_plain else None


def _is_bootstrap_key(secret: str) -> bool:
    if not settings.API_KEY:
        return False
    try:
        given = secret.encode("latin-1")  # as servers decode headers
    except UnicodeEncodeError:
        given = secret.encode("utf-8", "surrogatepass")
    return secrets.compare_digest(given, settings.API_KEY.encode())


class StreamTokenAuthentication(BaseAuthentication):
    """``?token=TOKEN`` of a task's ``streamUrl``: good for that task's stream, and no
    longer than the key that fetched it would be from the same address."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        task = getattr((request.parser_context or {}).get("view"), "task", None)
        token = request._request.GET.get("token")
        key_id = stream_tokens.key_of(token, task) if token and task else None
        if key_id is None:
            return None
        try:
            owner = self._owner(key_id, address_of(request._request))
        except (ApiKey.DoesNotExist, exceptions.APIException):
            return None
        # Many browsers may come by one key's tokens: each address has its own count.
        counted_as = f"{owner.counted_as}:{neighbourhood_of(request._request)}"
        return replace(owner, counted_as=counted_as), None

    def _owner(self, key_id: int, address: str | None) -> KeyOwner:
        if key_id == stream_tokens.BOOTSTRAP:
            return BOOTSTRAP_OWNER
        return _owner_of(ApiKey.objects.get(pk=key_id), address)


class StaffSessionAuthentication(SessionAuthentication):
    """The Django session of staff in one of the groups; unsafe methods need the CSRF
    token as well."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        _open_session(request._request)
        user = request._request.user
        if not user.is_authenticated or not user.is_active:
            return None
        if not rights_of(user):
            raise exceptions.PermissionDenied(why_nothing(user))
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
