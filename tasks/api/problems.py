"""Every error as RFC 9457 problem details, whoever raised it.

One function, ``from_exception``, knows which exception is which answer; the views,
the stream and Django's own error handlers all come through it. Nothing of the inside
(stack traces, paths, SQL) ever gets into an answer.
"""

import json
import logging
import math
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views import csrf, defaults
from psycopg_pool import PoolTimeout
from rest_framework import exceptions

from tasks.actors import ScopeTooSmall
from tasks.catalog import catalog
from tasks.lifecycle import IdempotencyConflict, UnknownTaskType
from tasks.models import StatusConflict, Task
from tasks.task_types import ParameterErrors

logger = logging.getLogger(__name__)

BLANK = "about:blank"  # "no more than the status code says"
KIND = "urn:resource-sync:problem:"
CONTENT_TYPE = "application/problem+json"
DATABASE_RETRY_SECONDS = 5
SHOWN_FIELDS = 3  # named in the one sentence; "errors" has all of them
DATABASE_DOWN = (OperationalError, InterfaceError, psycopg.OperationalError)

Errors = Mapping[str, list[str]]


def problem(
    status: int,
    title: str | None,
    detail: str,
    errors: Errors | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = BLANK,
) -> HttpResponse:
    """An error answer. Without a title it is the status code's own."""
    body = {
        "type": kind,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": dict(errors or {}),
    }
    response = HttpResponse(json.dumps(body), content_type=CONTENT_TYPE, status=status)
    response["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def from_exception(exc: BaseException) -> HttpResponse:
    """The answer to an exception; one that nobody expected is logged and a bare 500."""
    for kinds, answer in ANSWERS:
        if isinstance(exc, kinds):
            return answer(exc)
    logger.error("A request failed.", exc_info=exc)
    return problem(500, None, _("Something went wrong here; it has been logged."))


def problem_response(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """The REST framework's exception handler."""
    return from_exception(exc)


# --- Which exception is which answer ------------------------------------------------


def _parameters(exc: ParameterErrors) -> HttpResponse:
    shown = [f"{name[:100]}: {texts[0]}" for name, texts in exc.errors.items()]
    more = len(shown) - SHOWN_FIELDS
    detail = " ".join(shown[:SHOWN_FIELDS])
    if more > 0:
        detail += " " + _("And %(count)s more.") % {"count": more}
    return problem(
        400, _("Invalid parameters"), detail, exc.errors, kind=KIND + "parameters"
    )


def _unknown_type(exc: UnknownTaskType) -> HttpResponse:
    shown = [kind.name for kind in catalog().values() if not kind.hidden]
    detail = _("There is no task type “%(name)s”; there are: %(names)s.") % {
        "name": exc.name[:100],
        "names": ", ".join(sorted(shown)),
    }
    return problem(404, _("Unknown task type"), detail, kind=KIND + "unknown-task-type")


def no_such_task() -> HttpResponse:
    return problem(
        404, _("No such task"), _("There is no such task."), kind=KIND + "no-such-task"
    )


def _conflict(exc: StatusConflict) -> HttpResponse:
    ended = {
        Task.Status.COMPLETED: _("Task %(id)s has already completed"),
        Task.Status.FAILED: _("Task %(id)s has already failed"),
        Task.Status.CANCELLED: _("Task %(id)s has already been cancelled"),
    }
    detail = str(exc)
    if exc.wanted == Task.Status.CANCELLED and exc.found in ended:
        how = ended[Task.Status(str(exc.found))] % {"id": exc.task_id}
        detail = _("%(how)s; it cannot be cancelled.") % {"how": how}
    return problem(409, _("Status conflict"), detail, kind=KIND + "status-conflict")


def _idempotency(exc: IdempotencyConflict) -> HttpResponse:
    return problem(
        422,
        _("Idempotency key used before"),
        _("This Idempotency-Key came before with another type or other parameters."),
        kind=KIND + "idempotency-conflict",
    )


def _throttled(exc: exceptions.Throttled) -> HttpResponse:
    seconds = max(1, math.ceil(getattr(exc, "wait", None) or 1))
    return problem(
        429,
        None,
        _("Too many requests; try again in %(seconds)s s.") % {"seconds": seconds},
        headers={"Retry-After": str(seconds)},
    )


def _unauthenticated(exc: exceptions.APIException) -> HttpResponse:
    detail = _("Send a key as X-API-Key or “Authorization: Bearer KEY”, or sign in.")
    challenge = 'Bearer realm="resource-sync"'
    if isinstance(exc, exceptions.AuthenticationFailed):
        detail = str(exc.detail)
        challenge += ', error="invalid_token"'
    return problem(401, None, detail, headers={"WWW-Authenticate": challenge})


def _scope(exc: ScopeTooSmall) -> HttpResponse:
    detail = _("This needs a key with the scope “%(needed)s”; yours has “%(had)s”.")
    return problem(
        403,
        _("Scope too small"),
        detail % {"needed": exc.needed.value, "had": exc.had.value},
        headers={
            "WWW-Authenticate": 'Bearer realm="resource-sync", '
            f'error="insufficient_scope", scope="{exc.needed.value}"'
        },
        kind=KIND + "insufficient-scope",
    )


def _api_exception(exc: exceptions.APIException) -> HttpResponse:
    if exc.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("A request failed.", exc_info=exc)
    detail = exc.detail if isinstance(exc.detail, str) else exc.default_detail
    errors: Errors | None = getattr(exc, "errors", None)
    return problem(exc.status_code, None, str(detail), errors)


def _database_down(exc: BaseException) -> HttpResponse:
    logger.error("The database did not answer a request.", exc_info=exc)
    return _no_database(exc)


def forget_dead_connections(exc: BaseException) -> None:
    """After a restart of PostgreSQL all pooled connections are dead, and each would
    cost one more request its answer."""
    pool = getattr(connection, "pool", None)
    if pool is not None and not isinstance(exc.__cause__, PoolTimeout):
        pool.drain()


def _no_database(exc: BaseException) -> HttpResponse:
    forget_dead_connections(exc)
    return problem(
        503,
        None,
        _("The database does not answer; try again soon."),
        headers={"Retry-After": str(DATABASE_RETRY_SECONDS)},
    )


def _says(status: int, detail: Callable[[], str]) -> Callable[[Any], HttpResponse]:
    return lambda exc: problem(status, None, detail())


# In order: the first that fits answers.
ANSWERS: list[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...],
        Callable[[Any], HttpResponse],
    ]
] = [
    (ParameterErrors, _parameters),
    (UnknownTaskType, _unknown_type),
    (Task.DoesNotExist, lambda exc: no_such_task()),
    (ScopeTooSmall, _scope),
    (StatusConflict, _conflict),
    (IdempotencyConflict, _idempotency),
    (exceptions.Throttled, _throttled),
    (
        (exceptions.NotAuthenticated, exceptions.AuthenticationFailed),
        _unauthenticated,
    ),
    (exceptions.APIException, _api_exception),
    (Http404, _says(404, lambda: _("There is nothing at this address."))),
    (PermissionDenied, _says(403, lambda: _("You may not do this."))),
    (RequestDataTooBig, _says(413, lambda: _("The body is too large."))),
    (
        (SuspiciousOperation, BadRequest),
        _says(400, lambda: _("The request cannot be understood.")),
    ),
    (DATABASE_DOWN, _database_down),
]


# --- Django's own error handlers ----------------------------------------------------


def is_for_programs(request: HttpRequest) -> bool:
    """Whether the path is one where errors are JSON, not pages."""
    path = request.path_info
    return path.startswith("/api/") or path in {"/api", "/health", "/metrics"}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return from_exception(exception)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return from_exception(exception)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return from_exception(exception)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if not is_for_programs(request):
        return defaults.server_error(request)
    # Django has logged it already; whether it was the database is worth telling.
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_DOWN):
        return _no_database(error)
    return problem(500, None, _("Something went wrong here; it has been logged."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if is_for_programs(request):
        return problem(403, None, _("The CSRF token is missing or wrong."))
    return csrf.csrf_failure(request, reason)
