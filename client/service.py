"""The service over HTTP, asked again while it is away."""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from client.account import Account
from client.errors import Stop
from client.made_for import VERSION
from client.words import language, words

ANSWER_SECONDS = 60.0
SILENCE_SECONDS = 45.0  # a stream says something each 15 s
REQUEST_PATIENCE_SECONDS = 30.0
AWAY = {429, 502, 503, 504}  # what another try may change
LONGEST_PAUSE_SECONDS = 10.0
# What goes wrong between here and there.
CUT = (OSError, http.client.HTTPException)


class Answer(Exception):
    """The service said no."""

    def __init__(self, error: urllib.error.HTTPError) -> None:
        self.status = error.code
        self.wait = _seconds(error.headers.get("Retry-After", ""))
        self.sentence = _sentence(error)
        super().__init__(self.sentence)


def _seconds(text: str) -> float:
    return min(float(text), 60.0) if text.isascii() and text.isdecimal() else 0.0


def _sentence(error: urllib.error.HTTPError) -> str:
    """Return what a problem document says, in one line; or what came instead of one."""
    if error.code // 100 == 3:
        where = error.headers.get("Location", "?")
        text = words("The service sends us elsewhere: log in with the URL {where}")
        return text.format(where=where)
    try:
        body = json.loads(error.read(1_000_000))
        sentence = body.get("detail") or body["title"]
        told = [
            f"{name}: {problem}"
            for name, problems in (body.get("errors") or {}).items()
            for problem in problems
            if problem not in sentence
        ]
        return " ".join([str(sentence), *told])
    except (*CUT, ValueError, AttributeError, KeyError, TypeError):
        text = words("HTTP {status}, from something that is no Resource Sync.")
        return text.format(status=error.code)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key is sent nowhere but to its service."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Service:
    """One service, with one key. ``note`` tells people what goes on."""

    def __init__(
        self, account: Account, note: Callable[[str], None], patience: float | None
    ) -> None:
        self.url, self._key = account
        self.note = note
        self.patience = patience
        # Proxies and certificates are those of urllib: HTTPS_PROXY, NO_PROXY,
        # SSL_CERT_FILE.
        self._opener = urllib.request.build_opener(NoRedirects)

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Any:
        """Return an open response. Raises Answer, and what CUT names."""
        data = None if body is None else json.dumps(body).encode()
        url = self.url + path
        request = urllib.request.Request(  # noqa: S310 (checked_url() lets in only HTTP)
            url, data, method=method
        )
        request.add_header("User-Agent", f"resource-sync/{VERSION or 'dev'}")
        request.add_header("Accept-Language", language())
        if self._key:
            request.add_header("X-API-Key", self._key)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            return self._opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                raise Answer(error) from None

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON of an answer. Raises Stop where there is none in time, or
        the service says no.

        What is asked again changes nothing the second time: a start has its
        Idempotency-Key, to cancel twice is to cancel.
        """
        patience = REQUEST_PATIENCE_SECONDS if self.patience is None else self.patience
        deadline, pause, is_told = time.monotonic() + patience, 0.5, False
        while True:
            try:
                with self.open(method, path, body, headers) as response:
                    return json.loads(response.read())
            except Answer as answer:
                sentence, wait = answer.sentence, answer.wait
                if answer.status not in AWAY:
                    raise Stop(sentence) from None
            except ValueError:
                # Another's page, or an answer that was cut.
                text = words("{url} answers, but is no Resource Sync.")
                sentence, wait = text.format(url=self.url), 0.0
            except CUT as error:
                sentence, wait = self.away(error), 0.0
            pause = max(wait, min(pause * 2, LONGEST_PAUSE_SECONDS))
            if time.monotonic() + pause > deadline:
                raise Stop(sentence)
            if not is_told:
                self.note(f"{sentence} {words('Trying again…')}")
                is_told = True
            time.sleep(pause)

    def away(self, error: BaseException) -> str:
        """Return the sentence for a service that can't be reached."""
        reason = getattr(error, "reason", error)
        text = words("Cannot reach {url}: {reason}.")
        return text.format(url=self.url, reason=str(reason) or type(error).__name__)

    def text(self, path: str, show: Callable[[str], None] | None) -> None:
        """Copy a text to standard output as it comes, or ``show`` each line."""
        try:
            with self.open("GET", path) as response:
                if show is not None:
                    for line in response:
                        show(line.decode("utf-8", "replace").rstrip("\n"))
                    return
                while data := response.read(65536):
                    sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except Answer as answer:
            raise Stop(answer.sentence) from None
