"""Reading requests in front of Daphne: judged by their head, bounded while they come.

Twisted reads a request whole, without a limit, and parses forms in the event loop;
only then Daphne calls the application. 30 MB from a stranger held up all streams for
22 s that way. Here the body of a request

- is not read at all where the head is enough for the answer: the address may not
  enter, or its credentials are nobody's. The application answers as if the body were
  empty, and the connection is closed;
- is refused as soon as its announced or received length is over the limit;
- is handed on as bytes: Twisted never looks at the content type.

All of it touches the inside of Daphne and Twisted, on exact pins;
tests/streaming/http/test_channel.py fails where a new version moves it.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from daphne.http_protocol import WebRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel

from streaming.http import limits
from streaming.refusals import raw_headers, refusal


class Channel(HTTPChannel):
    """One connection."""

    transport: Any
    _networkProducer: Any
    is_refused = False  # what was read last is answered already
    _is_unread = False  # what comes now is not looked at any more
    _is_lingering = False  # answered, and half closed
    _deadline: Any = None
    _scope: limits.Scope | None = None  # of the request whose body is awaited

    # --- What comes in --------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if self._is_unread:
            self.resetTimeout()
            return
        if self.paused:
            self._networkProducer.pauseProducing()
        elif self._deadline is None and not self._handlingRequest:
            self._expect_progress()
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        if not self._is_unread:
            super().rawDataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.lineLengthExceeded(line)
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        if hasattr(self, "_command"):
            self._refuse_head()
        else:
            text = _("The request line is too long: at most %(limit)s bytes.")
            self.refuse(414, text, {"limit": self.MAX_LENGTH})

    def headerReceived(self, line: bytes) -> bool:
        if self._receivedHeaderCount >= self.maxHeaders:
            self._refuse_head()
            return False
        return bool(super().headerReceived(line))

    def _refuse_head(self) -> None:
        text = _(
            "There are too many headers, or they are too long: at most %(count)s and "
            "%(bytes)s bytes."
        )
        numbers = {"bytes": self.totalHeadersSize, "count": self.maxHeaders}
        self.refuse(431, text, numbers)

    # --- Once the head is there -----------------------------------------------------

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        if self.factory.is_draining:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def allHeadersReceived(self) -> None:
        """Say what becomes of the body. Afterwards Twisted goes on with what
        ``length`` says: with the answer where it is 0, else with the body."""
        if self.is_refused:
            return
        request, policy = self.requests[-1], self.factory.policy
        self.persistent = self.checkPersistence(request, self._version)
        request.gotLength(self.length)
        if self.length == 0:
            return
        self._scope = scope = policy.believed(request.head(self._command, self._path))
        self._limit = limits.body_limit(scope["path"], self.length)
        if not policy.may_enter(scope):
            self._leave_unread()
        elif (self.length or 0) > self._limit:
            self._refuse_length()
        elif self._is_small or limits.is_form(scope["path"]):
            self._read_body()
        else:
            self._ask(policy.is_known(scope))

    @property
    def _waits_for_leave(self) -> bool:
        values = self.requests[-1].requestHeaders.getRawHeaders(b"Expect") or [b""]
        return self._version == b"HTTP/1.1" and values[0].lower() == b"100-continue"

    @property
    def _is_small(self) -> bool:
        is_short = self.length is not None and self.length <= limits.SMALL_BYTES
        return is_short and not self._waits_for_leave

    def _ask(self, known: "Future[bool]") -> None:
        """Take nothing from the client until it is known whether it is anybody."""
        self._forget_deadline()
        self.paused = True
        self._networkProducer.pauseProducing()
        tell = self.factory.reactor.callFromThread
        known.add_done_callback(lambda answer: tell(self._on_known, answer.result()))

    def _on_known(self, is_known: bool) -> None:
        if not self.requests:
            return  # the client is gone
        self.paused = False
        self._networkProducer.resumeProducing()
        if is_known:
            self._read_body()
            self.dataReceived(b"")  # what came with the head
        else:
            self._leave_unread()
            self.allContentReceived()

    def _read_body(self) -> None:
        self._chunks = 0
        self._expect_progress()
        if self._waits_for_leave:
            self._send100Continue()

    def _leave_unread(self) -> None:
        """Have the application answer the head alone."""
        self._stop_reading()
        self.length = 0
        close = [b"close"]
        self.requests[-1].responseHeaders.setRawHeaders(b"Connection", close)

    def allContentReceived(self) -> None:
        if self.is_refused:
            return
        self._forget_deadline()
        self._scope = None
        super().allContentReceived()

    def may_hold(self, size: int, held: int) -> bool:
        """Return whether the request may take so much more of its body."""
        self._chunks += 1
        if held + size > self._limit:
            self._refuse_length()
        elif self.length is None and self._chunks > limits.MOST_CHUNKS:
            text = _("The body has too many chunks: at most %(limit)s.")
            self.refuse(413, text, {"limit": limits.MOST_CHUNKS})
        elif not self.factory.budget.take(size, held):
            text = _("Too much is sent to this service at once; try again soon.")
            retry = {"Retry-After": str(limits.RETRY_SECONDS)}
            self.refuse(503, text, headers=retry)
        return not self.is_refused

    # --- Refusals -------------------------------------------------------------------

    def _refuse_length(self) -> None:
        text = _("The body is too large: at most %(limit)s bytes.")
        self.refuse(413, text, {"limit": self._limit})

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, _("The request is not valid HTTP."))

    def refuse(
        self,
        status: int,
        detail: Promise,
        values: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer at once, whatever else the client has to send, and close."""
        if self._is_unread:
            return
        self.is_refused = self.paused = True
        self._stop_reading()
        self.clearLineBuffer()
        for request in self.requests:
            request.forget_body()
        scope = self._scope or limits.NO_SCOPE
        response = refusal(scope, status, detail, values, headers=headers)
        response["Connection"] = "close"
        head = b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
        fields = (b"%b: %b\r\n" % field for field in raw_headers(response))
        self.transport.write(b"".join([head, *fields, b"\r\n"]))
        if getattr(self, "_command", b"") != b"HEAD":
            self.transport.write(response.content)
        self.loseConnection()

    def _stop_reading(self) -> None:
        self._forget_deadline()
        self._is_unread = True
        self.persistent = False

    def loseConnection(self) -> None:
        """Where something is left unread, close our side alone at first, so that the
        client gets to the answer."""
        if not self._is_unread:
            super().loseConnection()
        elif self._is_lingering:
            self.transport.loseConnection()
        else:
            self._linger()

    def _linger(self) -> None:
        self._is_lingering = True
        self._networkProducer.unregisterProducer()
        self.transport.loseWriteConnection()
        self._abortingCall = self.callLater(
            limits.LINGER_SECONDS, self.forceAbortClient
        )
        self.setTimeout(limits.SILENT_SECONDS)

    # --- Clients that trickle -------------------------------------------------------

    def _expect_progress(self) -> None:
        """From now on a head, or a body, has to come."""
        self._forget_deadline()
        self._since = self.factory.seconds()
        self._deadline = self.callLater(limits.GRACE_SECONDS, self._on_deadline)

    def _on_deadline(self) -> None:
        self._deadline = None
        received = self.requests[-1].held if self._scope else 0
        allowed = limits.GRACE_SECONDS + received / limits.BYTES_PER_SECOND
        left = self._since + allowed - self.factory.seconds()
        if left > 0:
            self._deadline = self.callLater(left, self._on_deadline)
        else:
            self.refuse(408, _("The request did not arrive in time."))

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._forget_deadline()
        super().connectionLost(reason)
        self.requests.clear()


class LimitedRequest(WebRequest):
    """Daphne's request, with a body that is bounded and stays bytes."""

    held = 0  # bytes of the body
    channel: Any  # deleted once the request is finished

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, parsePOSTFormSubmission=False)

    def __repr__(self) -> str:
        """For logs, so without the query, in which a token may be."""
        return f"<{self.method!r} {(self.path or b'')[:200]!r}>"

    def head(self, method: bytes, uri: bytes) -> limits.Scope:
        """Return the scope as far as it is needed before the body is read."""
        path, _mark, query = uri.partition(b"?")
        return {
            "type": "http",
            "method": method.decode("latin-1"),
            "path": unquote(path.decode("latin-1")),
            "query_string": query,
            "scheme": "http",
            "client": (getattr(self.client, "host", ""), 0),
            "headers": [
                (name.lower(), value)
                for name, values in self.requestHeaders.getAllRawHeaders()
                for value in values
            ],
        }

    @property
    def is_under_way(self) -> bool:
        """Whether it is being read or answered, and will come to an end by itself."""
        kind = self.responseHeaders.getRawHeaders(b"content-type") or [b""]
        is_stream = self._response_started and kind[0].startswith(b"text/event-stream")
        return not (self.finished or self._disconnected or is_stream)

    def close_when_answered(self) -> None:
        """Let no other request follow on its connection."""
        if self.is_under_way and not self._response_started:
            self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            self.channel.persistent = False

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        channel = self.channel
        if not channel.is_refused and channel.may_hold(len(data), self.held):
            self.held += len(data)
            self.content.write(data)

    def process(self) -> Any:
        # Nobody here speaks WebSocket, and nobody but us says where we are mounted.
        self.requestHeaders.removeHeader(b"Upgrade")
        self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        return super().process()

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """Twisted knows no phrase for 429 and some others."""
        super().setResponseCode(code, message or HTTPStatus(code).phrase.encode())

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """A problem document in place of Daphne's page."""
        if self._response_started:
            self.transport.abortConnection()  # half an answer must not look whole
            return
        scope = self.channel.factory.policy.believed(self.head(self.method, self.uri))
        text = _("The request is not valid HTTP.")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = _("Something went wrong; the error has been logged.")
        response = refusal(scope, status, text)
        start = {"status": status, "headers": raw_headers(response)}
        self.handle_reply({"type": "http.response.start", **start})
        self.handle_reply({"type": "http.response.body", "body": response.content})

    def connectionLost(self, reason: Any) -> None:
        self._give_back()
        super().connectionLost(reason)

    def finish(self) -> None:
        self._give_back()
        super().finish()

    def forget_body(self) -> None:
        """The request is refused, and its connection stays open for a while."""
        self._give_back()
        self.content = BytesIO()

    def _give_back(self) -> None:
        if self.held:
            self.channel.factory.budget.give_back(self.held)
            self.held = 0
