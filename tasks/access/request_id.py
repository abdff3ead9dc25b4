"""The id by which one request is found again: in the proxy's log, in ours, in the
answer, and in what a person quotes."""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

from django.http import HttpResponseBase

HEADER = "X-Request-ID"
# What proxies make: 32 hexadecimal digits (nginx), UUIDs. Whatever else stands there
# could make lines of a log, or fill them.
SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the request that this thread or task answers; "" in none."""
    return _current.get()


def begin(request_id: str) -> Token[str]:
    """Have this id until ``end``, which costs an open stream less than a context
    manager."""
    return _current.set(request_id)


def end(token: Token[str]) -> None:
    _current.reset(token)


def stamp(response: HttpResponseBase) -> None:
    """Put the id of the request into the answer."""
    if name := current():
        response[HEADER] = name


@contextmanager
def answering(scope: Mapping[str, Any]) -> Iterator[None]:
    """Have a request's id for a while, in a thread that answers many."""
    token = begin(id_of(scope))
    try:
        yield
    finally:
        end(token)


def id_of(scope: Mapping[str, Any]) -> str:
    """Return the id that a request got before; else the one that it came with, where it
    is one; else a new one."""
    if known := scope.get("request_id"):
        return str(known)
    name = HEADER.lower().encode()
    sent = [value for key, value in scope["headers"] if key.lower() == name]
    if len(sent) == 1 and SANE.fullmatch(sent[0]):
        return bytes(sent[0]).decode()
    return uuid.uuid4().hex
