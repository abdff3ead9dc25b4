"""The body of a request: one JSON object of limited size, or a clear refusal."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from tasks.catalog.task_type import ParameterErrors

MEDIA_TYPE = "application/json"
ENDLESS_TEXT = re.compile(rb'"([A-Za-z][A-Za-z0-9_]{0,49})"\s*:\s*"[^"]*\Z')


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, beginning: bytes) -> None:
        limit = {"limit": settings.BODY_LIMIT_BYTES}
        detail = _("The body is too large: at most %(limit)s bytes.") % limit
        super().__init__(detail)
        # The text that goes on and on is usually one parameter's: name it.
        endless = ENDLESS_TEXT.search(beginning)
        self.errors = {endless[1].decode(): [detail]} if endless else {}


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it: no NaN, no name twice, an object at the top."""

    media_type = MEDIA_TYPE

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return parsed(limited(stream))


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object that a request carries; an empty body, and a form
    without a field, is an empty object.

    Read here and not through ``request.data``, which takes a chunked body (one
    without a Content-Length) for an empty one.
    """
    raw = limited(request)
    if not raw and request.META.get("CONTENT_LENGTH") in {None, "", "0"}:
        return {}
    content_type = request.META.get("CONTENT_TYPE", "")
    if _is_empty_form(raw, content_type):
        return {}
    _check_content_type(content_type)
    return parsed(raw)


def check_names(body: Mapping[str, Any], *known: str) -> None:
    """Raise ParameterErrors for each name in a body that nobody would look at: what
    a client asks for is done or refused, never ignored."""
    there = ", ".join(known) or _("none")
    text = _("There is no such parameter; there are: %(names)s.") % {"names": there}
    if errors := {name: [text] for name in body if name not in known}:
        raise ParameterErrors(errors)


def is_forced(request: HttpRequest) -> bool:
    """Return what the body of a cancel says of ``force``. Raises ParameterErrors."""
    body = body_of(request)
    check_names(body, "force")
    force = body.get("force", False)
    if not isinstance(force, bool):
        raise ParameterErrors({"force": [_("Must be true or false.")]})
    return force


def _is_empty_form(raw: bytes, content_type: str) -> bool:
    """Return whether it is a multipart body of no parts: what HTTP clients make of
    "no data"."""
    media_type, parameters = parse_header_parameters(content_type)
    end = f"--{parameters.get('boundary', '')}--".encode("latin-1", "replace")
    return media_type == "multipart/form-data" and raw.strip() == end


def limited(stream: IO[Any] | HttpRequest) -> bytes:
    """The whole stream. Raises BodyTooLarge as soon as it is longer than allowed."""
    raw = bytes(stream.read(settings.BODY_LIMIT_BYTES + 1))
    if len(raw) > settings.BODY_LIMIT_BYTES:
        raise BodyTooLarge(raw)
    return raw


def _check_content_type(header: str) -> None:
    media_type, parameters = parse_header_parameters(header)
    charset = parameters.get("charset", "utf-8").lower()
    if media_type != MEDIA_TYPE or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(
            header,
            _("The body must be application/json, in UTF-8; this is “%(type)s”.")
            % {"type": header[:100]},
        )


def parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            raw.decode(),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_doubles,
        )
        # A lone surrogate is JSON but no text; no database takes it.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise ParseError(_("The body is not UTF-8 text.")) from error
    except RecursionError as error:
        raise ParseError(_("The body is nested too deeply.")) from error
    except json.JSONDecodeError as error:
        raise ParseError(
            _("The body is not JSON: %(problem)s (line %(line)s, column %(column)s).")
            % {"problem": error.msg, "line": error.lineno, "column": error.colno}
        ) from error
    except ValueError as error:
        raise ParseError(
            _("The body is not JSON: %(problem)s.") % {"problem": error}
        ) from error
    if not isinstance(value, dict):
        raise ParseError(_("The body must be a JSON object: {…}."))
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(_("%(name)s is no JSON number") % {"name": name})


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _value in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            _("the name “%(name)s” is there twice") % {"name": double[:100]}
        )
    return value
