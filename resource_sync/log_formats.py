"""How log records are written: without secrets, and no longer than they are worth.

Whoever may read a log, or gets it mailed, must not be able to come in by it; and
strangers must not be able to fill it with what they send.
"""

import copy
import logging
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from pythonjsonlogger.json import JsonFormatter

from tasks.access import request_id
from tasks.databases.errors import in_one_line, outage_errors

MOST_CHARACTERS = 200  # of what a client sent, in one place
HIDDEN = "***"

SECRETS = re.compile(
    r"""
      (?<=/sign-in/)[^\s"'\\?]+           # one-time links
    | \b[0-9a-z]{6,7}-[0-9a-f]{32,64}\b   # their tokens, wherever else
    | (?<=[?&;](?:token|state|nonce)=)[^\s"'\\&]+
    | (?<=[?&;]code=)[^\s"'\\&]+
    | \brsl?_[\w-]{20,}                   # API keys, tokens of hand-over links
    # Signed tokens: time and signature, in URLs with escaped colons.
    | (?:(?<![\w-])|(?<=%3A))[\w-]{6}(?::|%3A)[\w-]{43}(?![\w-])
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return a text in which whatever opens something is replaced by ``***``."""
    text = SECRETS.sub(HIDDEN, text)
    for secret in _own_secrets():
        text = text.replace(secret, HIDDEN)
    return text


@cache
def _own_secrets() -> tuple[str, ...]:
    known = [settings.API_KEY, settings.SECRET_KEY]
    if settings.OIDC:
        known.append(settings.OIDC.client_secret)
    return tuple(secret for secret in known if len(secret) >= 8)


class SafeFormatter(logging.Formatter):
    """Lines that people read."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(shortened(record)))


class SafeJsonFormatter(JsonFormatter):
    """Lines that programs read, each with the id of the request that it is about."""

    def formatTime(  # noqa: N802 (logging's name)
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """Return the time as the API has it: UTC, and said to be."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        if name := request_id.current():
            log_data["requestId"] = name

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(shortened(record)))


def shortened(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record with as much of its request as helps; others as they are.

    Django logs the path of each request that is refused, and has the request with it,
    whose text is the path again with the query. The traceback of a refusal says
    nothing of the service.
    """
    record = _without_traceback_of_an_outage(record)
    request: Any = getattr(record, "request", None)
    if request is None:
        return record
    record = copy.copy(record)
    record.request = _shown(request)
    record.msg = _cut(str(record.msg))
    if isinstance(record.args, tuple):
        record.args = tuple(
            _cut(arg) if isinstance(arg, str) else arg for arg in record.args
        )
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return record


def _without_traceback_of_an_outage(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record that says in its line that the database did not answer, where
    that is what it tells of: where in the code somebody asked it helps nobody."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, outage_errors()):
        return record
    record = copy.copy(record)
    record.msg, record.args = f"{record.getMessage()} {in_one_line(error)}", None
    record.exc_info = record.exc_text = None
    return record


def _shown(request: Any) -> str:
    if isinstance(request, HttpRequest):
        return f"{request.method} {_cut(request.path)}"
    return _cut(type(request).__name__)


def _cut(text: str) -> str:
    text = without_secrets(text)  # before one is cut, and not known any more
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def rotated_file(path: Path, level: str) -> dict[str, Any]:
    """Return the handler of a rotated file of JSON lines that several processes may
    write."""
    return {
        "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
        "filename": str(path),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 5,
        "encoding": "utf-8",
        "formatter": "json",
        "level": level,
    }
