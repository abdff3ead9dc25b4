"""What a browser meets at the service's public address: certificate, HTTP/2, and a
stream that the proxy hands on as it comes."""

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils.translation import gettext as _

from tasks.access.sign_in import first_administrator
from tasks.doctor.findings import Finding, ok, problem, skipped, warning
from tasks.own_url import LOCAL_NAMES

CONNECT_SECONDS = 5.0
FIRST_BYTES_SECONDS = 10.0
AT_ONCE_SECONDS = 2.0  # a slow line's, and a busy service's
LONGEST_SILENCE_SECONDS = 20.0  # a sign of life comes every 15
TOGETHER_SECONDS = 1.0
CERTIFICATE_DAYS = 14
LOCAL = {"localhost", "127.0.0.1", "::1"}
SITE = "deploy/nginx/resource-sync.conf"


class Unreachable(Exception):
    """Nothing answers at an address; says why."""


def _connection(
    url: SplitResult, alpn: tuple[str, ...] = ()
) -> http.client.HTTPConnection:
    host, port = url.hostname or "", url.port
    if url.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    return http.client.HTTPSConnection(
        host, port, timeout=CONNECT_SECONDS, context=context
    )


@contextmanager
def _connected(
    url: SplitResult, alpn: tuple[str, ...] = ()
) -> Iterator[http.client.HTTPConnection]:
    connection = _connection(url, alpn)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(str(error)) from error
        yield connection
    finally:
        connection.close()


def _unreachable(url: str, error: Exception) -> Finding:
    return problem(
        _("%(url)s can't be reached from this machine: %(why)s.")
        % {"url": url, "why": error},
        _("Is the service running, and the proxy before it? If people reach it by "
          "another address: --url, and ALLOWED_HOSTS."),
    )  # fmt: skip


# --- The web process itself -----------------------------------------------------------


def web() -> Iterator[Finding]:
    """The web process of this host answers, and is of this version."""
    import json

    host = LOCAL_NAMES.get(settings.HOST, settings.HOST).strip("[]")
    url = urlsplit(f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}")
    start = _("`systemctl start resource-sync-web@1`, or `make start`.")
    try:
        with _connected(url) as connection:
            connection.request("GET", "/health/live")
            answer = connection.getresponse()
            told = json.loads(answer.read(65536))
            version = told["version"]
    except (Unreachable, OSError, http.client.HTTPException) as error:
        text = _("No web process answers at %(url)s: %(why)s.")
        yield problem(text % {"url": url.geturl(), "why": error}, start)
        return
    except (ValueError, KeyError, TypeError):
        text = _("What answers at %(url)s is another program.")
        advice = _("`ss -ltnp` says which; set another PORT, or end it.")
        yield problem(text % {"url": url.geturl()}, advice)
        return
    if version != settings.VERSION:
        yield warning(
            _("The web process is of version %(theirs)s, this code of %(ours)s.")
            % {"theirs": version, "ours": settings.VERSION},
            _("Restart it: `systemctl restart resource-sync.target`, `make restart`."),
        )
    else:
        yield ok(_("The web process answers at %(url)s.") % {"url": url.geturl()})


# --- TLS ------------------------------------------------------------------------------


def tls(address: str) -> Iterator[Finding]:
    """The certificate is good for a while, and browsers speak HTTP/2."""
    url = urlsplit(address)
    if url.scheme != "https":
        if url.hostname in LOCAL:
            yield skipped(_("The public address is this machine's own, without TLS."))
        else:
            yield warning(
                _("%(url)s is plain http: passwords and keys can be read on the way.")
                % {"url": address},
                _("TLS in nginx (%(site)s), then HTTPS=on.") % {"site": SITE},
            )
        return
    try:
        with _connected(url, ("h2", "http/1.1")) as connection:
            sock: Any = connection.sock
            chosen, ends = sock.selected_alpn_protocol(), sock.getpeercert()["notAfter"]
    except Unreachable as error:
        yield _unreachable(address, error)
        return
    moment = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)
    days = (moment - datetime.now(UTC)).days
    values = {"moment": f"{moment:%Y-%m-%d}", "days": days}
    if days < CERTIFICATE_DAYS:
        text = _("The certificate ends on %(moment)s, in %(days)s days.")
        yield warning(text % values, _("Renew it, and have the proxy load it."))
    else:
        yield ok(_("The certificate is good until %(moment)s.") % values)
    if chosen == "h2":
        yield ok(_("Browsers speak HTTP/2."))
    else:
        yield warning(
            _("Browsers speak HTTP/1.1 only: six connections for all pages of one."),
            _("In nginx, beside TLS: `http2 on;`, or `listen 443 ssl http2;`."),
        )


# --- The stream -----------------------------------------------------------------------


class Stream(NamedTuple):
    """What came of a stream: seconds from the request to each piece of its body,
    whether somebody cut it off before the time was over, and its first piece."""

    status: int
    headers: http.client.HTTPMessage
    came: list[float]
    was_cut: bool
    first: bytes = b""


@contextmanager
def _credentials() -> Iterator[dict[str, str]]:
    """What opens the stream: API_KEY, or else a session of an administrator's, which is
    gone when it has been looked at."""
    if settings.API_KEY:
        yield {"X-API-Key": settings.API_KEY}
        return
    user = first_administrator()
    if user is None:
        yield {}
        return
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.set_expiry(300)
    session.create()
    try:
        yield {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}
    finally:
        session.delete()


def _listen(address: str, headers: dict[str, str], seconds: float) -> Stream:
    """Read the events of all tasks for so long. Raises Unreachable."""
    url = urlsplit(address)
    with _connected(url) as connection:
        began = time.monotonic()
        sock = connection.sock
        came: list[float] = []
        try:
            sock.settimeout(FIRST_BYTES_SECONDS)
            asked = {
                **headers, "Accept": "text/event-stream", "Accept-Encoding": "gzip",
            }  # fmt: skip
            connection.request("GET", "/api/events", headers=asked)
            answer = connection.getresponse()
        except TimeoutError:
            return Stream(0, http.client.HTTPMessage(), [], was_cut=False)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        was_cut, first = False, b""
        while answer.status == http.HTTPStatus.OK:
            left = began + (seconds if came else FIRST_BYTES_SECONDS)
            left -= time.monotonic()
            if left <= 0:
                break
            sock.settimeout(left)
            try:
                piece = answer.read1(65536)
            except TimeoutError:
                break
            except (OSError, http.client.HTTPException):
                piece = b""
            if not piece:
                was_cut = True
                break
            first = first or piece
            came.append(time.monotonic() - began)
        return Stream(answer.status, answer.headers, came, was_cut, first)


def stream(address: str, seconds: float) -> Iterator[Finding]:
    """A stream comes through the public address as it is sent."""
    with _credentials() as headers:
        if not headers:
            yield skipped(_("There is neither an API_KEY nor an administrator to open "
                            "the stream with."))  # fmt: skip
            return
        try:
            heard = _listen(address, headers, seconds)
        except Unreachable as error:
            yield _unreachable(address, error)
            return
    if heard.status not in {0, http.HTTPStatus.OK}:
        yield _refused(address, heard)
        return
    content_type = heard.headers.get("Content-Type", "")
    if heard.status and not content_type.startswith("text/event-stream"):
        yield problem(
            _("What answers at %(url)s is not a stream but %(type)s.")
            % {"url": f"{address}/api/events", "type": content_type[:100] or "–"},
            _("Does the proxy send /api to this service?"),
        )
        return
    yield from _arrivals(address, heard, seconds)


def _refused(address: str, heard: Stream) -> Finding:
    advice = {
        301: _("HTTPS=on, and the proxy's X-Forwarded-Proto is not believed: set "
               "TRUSTED_PROXIES to its address."),
        400: _("Add the host of this address to ALLOWED_HOSTS."),
        403: _("Add this machine's address to IP_ALLOWLIST, or look with --url."),
        429: _("RATE_LIMIT_READ is used up by this address; look again later."),
        502: _("The proxy does not reach the web process: is it running, on PORT?"),
        504: _("The web process does not answer the proxy."),
    }  # fmt: skip
    code = 301 if heard.status in {301, 302, 307, 308} else heard.status
    return problem(
        _("%(url)s answers %(status)s in place of a stream.")
        % {"url": f"{address}/api/events", "status": heard.status},
        advice.get(code, _("LOG_DIR/combined.log says why, by the request's id.")),
    )


def _arrivals(address: str, heard: Stream, seconds: float) -> Iterator[Finding]:
    unbuffered = _(
        "In nginx, for /api/tasks/…/stream, /api/events and /api/streams: "
        "`proxy_buffering off;`, `proxy_http_version 1.1;`, and no "
        "`proxy_ignore_headers X-Accel-Buffering;` (%(site)s)."
    ) % {"site": SITE}
    if encoding := heard.headers.get("Content-Encoding"):
        yield problem(
            _("The proxy compresses the stream (%(encoding)s), and holds lines back "
              "for it.") % {"encoding": encoding},
            _("`gzip off;` for the streams (%(site)s).") % {"site": SITE},
        )  # fmt: skip
    came = heard.came
    if not came:
        text = _(
            "Nothing of a stream came within %(seconds)s s: the proxy holds it back."
        )
        if heard.was_cut:
            text = _("The proxy ended a stream before anything of it came.")
        yield problem(text % {"seconds": round(FIRST_BYTES_SECONDS)}, unbuffered)
        return
    if heard.was_cut and b"data:" not in heard.first:
        # What the shipped site says, so that an EventSource comes back.
        yield problem(
            _("The proxy answers a stream itself: it does not reach the web process."),
            _("Is the web process running, on the PORT that the proxy asks?"),
        )
        return
    if came[0] > AT_ONCE_SECONDS:
        text = _("The first bytes of a stream took %(seconds)s s.")
        yield warning(text % {"seconds": f"{came[0]:.1f}"}, unbuffered)
    else:
        text = _("A stream through %(url)s begins at once (%(milliseconds)s ms).")
        milliseconds = round(came[0] * 1000)
        yield ok(text % {"url": address, "milliseconds": milliseconds})
    yield from _signs_of_life(heard, seconds, unbuffered)


def _signs_of_life(heard: Stream, seconds: float, unbuffered: str) -> Iterator[Finding]:
    later = [
        moment for moment in heard.came if moment > heard.came[0] + TOGETHER_SECONDS
    ]
    if heard.was_cut:
        yield problem(
            _("The proxy cut the stream after %(seconds)s s.")
            % {"seconds": round(heard.came[-1])},
            _("`proxy_read_timeout 1h;` for the streams (%(site)s), and no shorter "
              "limit in what stands before it.") % {"site": SITE},
        )  # fmt: skip
        return
    silences = [
        b - a for a, b in zip(heard.came, [*heard.came[1:], seconds], strict=True)
    ]
    if max(silences) > LONGEST_SILENCE_SECONDS:
        text = _(
            "No sign of life came for %(seconds)s s, though one is sent every 15 s."
        )
        yield problem(text % {"seconds": round(max(silences))}, unbuffered)
    elif not later:
        yield skipped(
            _("Signs of life come every 15 s: longer than it was listened (--seconds).")
        )
    else:
        yield ok(
            _("Signs of life come one by one: in %(seconds)s s after %(moments)s s.")
            % {
                "seconds": round(seconds),
                "moments": ", ".join(f"{moment:.0f}" for moment in later[:8]),
            }
        )
