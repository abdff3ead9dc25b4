"""Answers given in front of Django, with the headers that Django's own have."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.utils import translation
from django.utils.functional import Promise

from tasks.access import request_id
from tasks.problems import problem


def refusal(
    scope: Mapping[str, Any],
    status: int,
    detail: Promise,
    values: Mapping[str, object] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return a problem document for a request of which only the head was read.

    ``detail`` is translated here, into the client's language; filled in before, it
    would be in nobody's.
    """
    request = ASGIRequest(dict(scope), BytesIO())
    language = translation.get_language_from_request(request)
    with translation.override(language), request_id.answering(scope):
        response = problem(status, None, str(detail) % (values or {}), headers=headers)
        response["Content-Length"] = str(len(response.content))
        return with_common_headers(request, response)


def redirect_to_https(request: HttpRequest) -> HttpResponse | None:
    """Return the redirect of a plain request, where HTTPS is on."""
    return SecurityMiddleware(_no_view).process_request(request)


def with_common_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the response with what a browser has to know: CORS, HSTS, nosniff; and
    with the request's id."""
    request_id.stamp(response)
    CorsMiddleware(_no_view).add_response_headers(request, response)
    SecurityMiddleware(_no_view).process_response(request, response)
    return response


def _no_view(request: HttpRequest) -> HttpResponse:
    """A middleware wants to have something behind it."""
    raise NotImplementedError


def raw_headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    """Return a response's headers as ASGI has them."""
    return [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in response.items()
    ]
