"""The door to the API: every request is authenticated, counted and then admitted.

The REST framework counts only what it has admitted; here strangers count too, by
their address. The stream, which runs in front of Django, calls ``admit`` and so goes
through this same door.
"""

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tasks.access import stream_tokens
from tasks.access.actor import Actor
from tasks.access.addresses import address_of
from tasks.access.authentication import (
    ApiKeyAuthentication,
    KeyOwner,
    StaffSessionAuthentication,
    StreamTokenAuthentication,
)
from tasks.access.credentials import Credential
from tasks.access.rate_limits import Scope
from tasks.access.rights import rights_of
from tasks.models import Task


class ApiView(APIView):
    """What all views of the API have in common."""

    rate_scope: Scope = "read"

    def perform_content_negotiation(
        self, request: Request, force: bool = False
    ) -> tuple[BaseRenderer, str]:
        # There is one format, so whoever asks for another gets this one (RFC 9110
        # 12.4.1), not a 406.
        return super().perform_content_negotiation(request, force=True)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = None
        accepted = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = accepted
        request.version, request.versioning_scheme = None, None
        self.perform_authentication(request)
        self.check_throttles(request)
        self.check_permissions(request)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Let nobody keep an answer that does not say that it may be kept."""
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)


class StreamView(ApiView):
    """A view that a task's stream token opens, too."""

    authentication_classes = (
        ApiKeyAuthentication,  # first: a wrong key is refused whatever else there is
        StreamTokenAuthentication,
        StaffSessionAuthentication,
    )

    def __init__(self, task: Task | None) -> None:
        super().__init__()
        self.task = task


def admit(
    request: HttpRequest, scope: Scope = "read", task: Task | None = None
) -> Actor:
    """Let a plain request in, or raise the APIException that says why not.

    The request need not have been through Django's middleware. ``task``: the one whose
    stream it asks for, which a token may open.
    """
    view = StreamView(task)
    view.rate_scope = scope
    view.args, view.kwargs = (), {}
    view.request = view.initialize_request(request)
    view.initial(view.request)
    return actor_of(view.request)


def credential_of(request: HttpRequest) -> Credential:
    """Return what a request that was let in came with."""
    user: object = request.user
    if isinstance(user, KeyOwner):
        return user.credential
    return Credential(session_key=request.session.session_key)


def actor_of(request: Request) -> Actor:
    """Return who asks, as the audit trail will name them."""
    user: Any = request.user
    address = address_of(request._request)
    if isinstance(user, KeyOwner):
        return Actor(user.name, address, user.rights)
    return Actor(user.get_username(), address, rights_of(user))


def base_url(request: HttpRequest | Request) -> str:
    """Scheme and host as the client sees them, without a slash at the end."""
    return request.build_absolute_uri("/")[:-1]


def stream_query(request: Request, task_id: object) -> str:
    """Return what a stream's URL needs behind it: a token, where a browser that has a
    key but no session will open it; nothing for programs."""
    headers = request.headers
    is_browser = "Origin" in headers or "Sec-Fetch-Site" in headers
    user: object = request.user
    if is_browser and isinstance(user, KeyOwner):
        key_id = user.credential.key_id or stream_tokens.BOOTSTRAP
        return f"?token={quote(stream_tokens.issue(task_id, key_id))}"
    return ""
