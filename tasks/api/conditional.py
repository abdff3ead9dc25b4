"""Answers that a client, or a cache, may have already (RFC 9110, section 13)."""

import hashlib

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response


def with_etag(request: Request, response: HttpResponse, etag: str) -> HttpResponse:
    """Return a response with this ETag; a 304 in its place for who has it."""
    quoted = f'"{etag}"'
    response["ETag"] = quoted
    found = get_conditional_response(request._request, quoted, None, response)
    return found or response


def with_digest_as_etag(request: Request, response: Response) -> Response:
    """Return a response that is compared, once it is rendered, by its content."""

    def compared(rendered: Response) -> HttpResponse:
        digest = hashlib.sha256(rendered.content).hexdigest()
        return with_etag(request, rendered, digest[:32])

    response["Cache-Control"] = "private, no-cache"
    response.add_post_render_callback(compared)
    return response
