"""What is told of changed addresses: a webhook, or a program."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from resources.report import Report

MOST_WAITED = 60.0  # seconds, whatever a webhook asks for
WEBHOOK_TIMEOUT = 10.0  # seconds, for each part of an answer
COMMAND_TIMEOUT = 60.0  # seconds
MAX_LINES = 100  # of a command's output, in the log of one run
RETRIED = {408, 425, 429}  # answers below 500 that may be others the next time


class PurgeError(Exception):
    """A purge did not work; the message is the reason.

    ``may_pass``: it may work the next time; ``pause`` is how many seconds the other
    side asks to wait before that.
    """

    def __init__(
        self, reason: str, *, may_pass: bool = True, pause: float | None = None
    ) -> None:
        super().__init__(reason)
        self.may_pass = may_pass
        self.pause = pause


class Webhook:
    """An address that takes what changed by POST."""

    def __init__(self, url: str, timeout: float = WEBHOOK_TIMEOUT) -> None:
        parts = urlsplit(url)
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            encoded = base64.b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
        place = parts.netloc.rpartition("@")[2]
        self._url = parts._replace(netloc=place, fragment="").geturl()
        self._name = f"{parts.scheme}://{place}"
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, urls: Sequence[str], report: Report) -> None:
        content = json.dumps({"urls": list(urls)}).encode()
        request = urllib.request.Request(  # noqa: S310 (http or https, see read_purge)
            self._url, content, self._headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout):
                return
        except urllib.error.HTTPError as answer:
            with answer:
                raise PurgeError(
                    f"{self._name} answered {answer.code}",
                    may_pass=answer.code >= 500 or answer.code in RETRIED,
                    pause=seconds_asked(answer.headers.get("Retry-After")),
                ) from None
        except (OSError, HTTPException) as error:
            found = getattr(error, "reason", None)
            reason = found if isinstance(found, BaseException) else error
            what = getattr(reason, "strerror", None) or type(reason).__name__
            raise PurgeError(f"{self._name} can't be reached ({what})") from None


class Command:
    """A program that takes what changed on stdin, one address a line.

    It runs in the engine's own environment, without a shell.
    """

    def __init__(self, words: Sequence[str], timeout: float = COMMAND_TIMEOUT) -> None:
        self._words = words
        self._name = PurePath(words[0]).name
        self._timeout = timeout

    def send(self, urls: Sequence[str], report: Report) -> None:
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that what it started ends with it
            )
        except OSError as error:
            raise PurgeError(f"{self._name} can't be run ({error.strerror})") from None
        lines = "".join(f"{url}\n" for url in urls)
        try:
            output, _ = process.communicate(lines.encode(), self._timeout)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            self._tell(error.output or b"", report)
            raise PurgeError(
                f"{self._name} did not end in {self._timeout:g} seconds"
            ) from None
        except BaseException:
            _kill(process)
            raise
        self._tell(output, report)
        if process.returncode:
            raise PurgeError(f"{self._name} ended with {_ending(process.returncode)}")

    def _tell(self, output: bytes, report: Report) -> None:
        lines = output.decode(errors="replace").splitlines()
        for line in lines[:MAX_LINES]:
            report.line(f"purge: {line}")
        if len(lines) > MAX_LINES:
            report.line(f"purge: ... and {len(lines) - MAX_LINES} more lines")


def seconds_asked(retry_after: str | None) -> float | None:
    """Read a header ``Retry-After``: seconds or a date (RFC 9110, 10.2.3), at most
    ``MOST_WAITED``.

    >>> seconds_asked("5"), seconds_asked("86400"), seconds_asked("soon")
    (5.0, 60.0, None)
    """
    if not retry_after:
        return None
    if retry_after.isdecimal():
        return min(float(retry_after), MOST_WAITED)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MOST_WAITED)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET, and purge nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"
