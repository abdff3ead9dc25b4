"""Every error as RFC 9457 problem details, whoever raised it.

One function, ``from_exception``, knows which exception is which answer; the views,
the stream and Django's own error handlers (tasks.web.failures) all come through it.
Nothing of the inside (stack traces, paths, SQL) ever gets into an answer.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions

from tasks.access import request_id
from tasks.access.actor import ScopeTooSmall
from tasks.approvals.decisions import Changed, NotBlocked
from tasks.approvals.rights import OwnTask
from tasks.bulk.selection import MoreThanConfirmed, NothingAskedFor, TooManyFound
from tasks.catalog.task_type import ParameterErrors
from tasks.changes import NotComparable, NotReady, UnknownVersion
from tasks.databases.errors import outage_errors
from tasks.databases.sqlite3.base import DatabaseReplaced
from tasks.disk import is_full
from tasks.lifecycle import IdempotencyConflict, TaskDeleted, UnknownTaskType
from tasks.models import Schedule, StatusConflict, Task, Webhook
from tasks.queue.freezes import Frozen, NoSuchFreeze
from tasks.releases import UnknownPlatform
from tasks.schedules.acts import ScheduleRetired
from tasks.schedules.validity import Unstartable
from tasks.timestamps import iso

logger = logging.getLogger(__name__)

BLANK = "about:blank"  # "no more than the status code says"
KIND = "urn:resource-sync:problem:"
CONTENT_TYPE = "application/problem+json"
DATABASE_RETRY_SECONDS = 5
CHANGES_RETRY_SECONDS = 2
SHOWN_FIELDS = 3  # named in the one sentence; "errors" has all of them

Errors = Mapping[str, list[str]]


def problem(
    status: int,
    title: str | None,
    detail: str,
    errors: Errors | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = BLANK,
    members: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """An error answer. Without a title it is the status code's own; ``members``: what
    it says to programs beside what all say."""
    body = {
        "type": kind,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": dict(errors or {}),
        **(members or {}),
    }
    if name := request_id.current():
        body["requestId"] = name
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
    return unexpected()


def unexpected() -> HttpResponse:
    """The answer to what nobody expected."""
    return problem(500, None, _("Something went wrong; the error has been logged."))


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


def no_such_task() -> HttpResponse:
    return problem(
        404, _("No such task"), _("There is no such task."), kind=KIND + "no-such-task"
    )


def no_such_schedule() -> HttpResponse:
    title, detail = _("No such schedule"), _("There is no such schedule.")
    return problem(404, title, detail, kind=KIND + "no-such-schedule")


def no_such_webhook() -> HttpResponse:
    title, detail = _("No such webhook"), _("There is no such webhook or delivery.")
    return problem(404, title, detail, kind=KIND + "no-such-webhook")


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


def _not_blocked(exc: NotBlocked) -> HttpResponse:
    last = exc.last
    decided = last if last and last.decision else None
    members = {
        "taskStatus": exc.task.status,
        "decision": decided and decided.decision,
        "decidedBy": (decided and decided.decided_by) or None,
    }
    title, kind = _("Nothing to decide"), KIND + "not-blocked"
    return problem(409, title, str(exc), kind=kind, members=members)


def _frozen(exc: Frozen) -> HttpResponse:
    until = iso(exc.window.ends_at)
    members = {"until": until, "reason": exc.window.reason}
    return problem(409, _("Frozen"), str(exc), kind=KIND + "frozen", members=members)


def _no_such_freeze(exc: NoSuchFreeze) -> HttpResponse:
    detail = _("There is no such freeze; one that repeats stands in task_types.toml.")
    return problem(404, _("No such freeze"), detail, kind=KIND + "no-such-freeze")


def _idempotency(exc: IdempotencyConflict) -> HttpResponse:
    return problem(
        422,
        _("Idempotency key used before"),
        _("This Idempotency-Key came before with another type or other parameters."),
        kind=KIND + "idempotency-conflict",
    )


def _task_deleted(exc: TaskDeleted) -> HttpResponse:
    detail = _(
        "This Idempotency-Key came before, within 24 hours: it started task %(id)s, "
        "which has ended and was deleted. Nothing was started now; another key would."
    )
    return problem(
        409,
        _("Task deleted"),
        detail % {"id": exc.task_id},
        kind=KIND + "task-deleted",
    )


def _unknown_version(exc: UnknownVersion) -> HttpResponse:
    return problem(404, _("No such version"), str(exc), kind=KIND + "no-such-version")


def _not_comparable(exc: NotComparable) -> HttpResponse:
    title = _("Version not comparable")
    return problem(409, title, str(exc), kind=KIND + "not-comparable")


def _not_ready(exc: NotReady) -> HttpResponse:
    headers = {"Retry-After": str(CHANGES_RETRY_SECONDS)}
    title = _("Not ready yet")
    response = problem(503, title, str(exc), headers=headers, kind=KIND + "not-ready")
    response._has_been_logged = True  # type: ignore[attr-defined] # it is no error
    return response


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
    return problem(
        403,
        None if exc.had.group else _("Scope too small"),
        str(exc),
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
    if is_full(exc):
        logger.error("The disk of the database is full; a request was refused.")
    else:
        logger.error("The database did not answer a request.", exc_info=exc)
    return no_database(exc)


def forget_dead_connections(exc: BaseException | None) -> None:
    """After a restart of PostgreSQL all pooled connections are dead, and each would
    cost one more request its answer."""
    pool = getattr(connection, "pool", None)
    if pool is None:
        return
    from psycopg_pool import PoolTimeout

    if not isinstance(getattr(exc, "__cause__", None), PoolTimeout):
        pool.drain()


def no_database(exc: BaseException | None) -> HttpResponse:
    """The answer to any request that needed the database."""
    detail = known_cause(exc)
    if detail is None:
        forget_dead_connections(exc)
        detail = _("The database does not answer; try again soon.")
    return problem(
        503, None, detail, headers={"Retry-After": str(DATABASE_RETRY_SECONDS)}
    )


def known_cause(exc: BaseException | None) -> str | None:
    """Return one sentence where it is known why the database does not answer."""
    if is_full(exc):
        return disk_full()
    return database_replaced() if isinstance(exc, DatabaseReplaced) else None


def disk_full() -> str:
    return _(
        "The disk of the database is full: nothing can be stored, and no task started, "
        "until there is room on it again."
    )


def database_replaced() -> str:
    return _(
        "The database's file was deleted or replaced while the service runs; what is "
        "sent now would be lost. Put it back, or restart the service (make restart)."
    )


def wrong_host(exc: BaseException) -> str:
    """Return one sentence on a host that is none of ours, and what would let it in."""
    named = re.search(r"header: ('[^']*'|\"[^\"]*\")", str(exc))
    return _(
        "This service does not answer to the host %(host)s: add it to ALLOWED_HOSTS, "
        "or ask by a name that is there."
    ) % {"host": named[1][1:-1][:100] if named else "–"}


def _titled(
    status: int, kind: str, title: Callable[[], str]
) -> Callable[[Any], HttpResponse]:
    return lambda exc: problem(status, title(), str(exc), kind=KIND + kind)


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
    (
        UnknownTaskType,
        _titled(404, "unknown-task-type", lambda: _("Unknown task type")),
    ),
    (UnknownPlatform, _titled(404, "unknown-platform", lambda: _("Unknown platform"))),
    (Task.DoesNotExist, lambda exc: no_such_task()),
    (Schedule.DoesNotExist, lambda exc: no_such_schedule()),
    (Webhook.DoesNotExist, lambda exc: no_such_webhook()),
    (
        (Unstartable, ScheduleRetired),
        _titled(409, "not-startable", lambda: _("The schedule can't start its task")),
    ),
    (ScopeTooSmall, _scope),
    (OwnTask, _titled(403, "own-task", lambda: _("Own task"))),
    (NotBlocked, _not_blocked),
    (Changed, _titled(409, "changed", lambda: _("Changed meanwhile"))),
    (StatusConflict, _conflict),
    (Frozen, _frozen),
    (NoSuchFreeze, _no_such_freeze),
    (NothingAskedFor, _titled(400, "no-filter", lambda: _("No filter is set"))),
    (TooManyFound, _titled(400, "too-many-tasks", lambda: _("Too many tasks at once"))),
    (
        MoreThanConfirmed,
        _titled(409, "more-than-confirmed", lambda: _("More than was confirmed")),
    ),
    (IdempotencyConflict, _idempotency),
    (TaskDeleted, _task_deleted),
    (UnknownVersion, _unknown_version),
    (NotComparable, _not_comparable),
    (NotReady, _not_ready),
    (exceptions.Throttled, _throttled),
    (
        (exceptions.NotAuthenticated, exceptions.AuthenticationFailed),
        _unauthenticated,
    ),
    (exceptions.APIException, _api_exception),
    (Http404, _says(404, lambda: _("There is nothing at this address."))),
    (PermissionDenied, _says(403, lambda: _("You don't have permission to do this."))),
    (RequestDataTooBig, _says(413, lambda: _("The body is too large."))),
    (DisallowedHost, lambda exc: problem(400, None, wrong_host(exc))),
    (
        (SuspiciousOperation, BadRequest),
        _says(400, lambda: _("The request cannot be understood.")),
    ),
    (outage_errors(), _database_down),
]


def is_for_programs(request: HttpRequest) -> bool:
    """Return whether the path is one where errors are JSON, not pages."""
    path = request.path_info
    roots = ("/api", "/health", "/metrics")
    return path in roots or path.startswith(("/api/", "/health/"))
