"""Stands between the engine and an object store, and harms what a test chooses."""

import http.client
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce it.</Message></Error>"
QUOTA = b"<Error><Code>QuotaExceeded</Code><Message>No room.</Message></Error>"

NO_UPLOAD = b"<Error><Code>NoSuchUpload</Code><Message>Gone.</Message></Error>"
SKEWED = (
    b"<Error><Code>RequestTimeTooSkewed</Code>"
    b"<Message>The difference is too large.</Message></Error>"
)

FAULTS = {
    "drop": "the connection ends before the request arrives",
    "lose answer": "the request arrives, and its answer is lost",
    "slow down": "503 SlowDown",
    "too many": "429 without a word",
    "go away": "no request arrives any more, this one and all after it",
    "skewed": "403 RequestTimeTooSkewed",
    "no upload": "404 NoSuchUpload",
    "quota": "403 QuotaExceeded",
    "slow": "a fifth of a second passes first",
    "truncate": "half of the answer arrives",
    "damage": "one byte of the request's body is another",
    "hold": "the request waits for ``release``",
}


class Request(NamedTuple):
    method: str
    path: str
    query: str


def forward_to(upstream):
    """Give what asks a server (HOST:PORT) just what was asked of the proxy."""

    def forward(method, path, headers, body):
        server = http.client.HTTPConnection(upstream, timeout=20)
        try:
            server.request(method, path, body, headers)
            answer = server.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            server.close()

    return forward


class FaultyProxy:
    """A proxy in front of a server, with a log of all requests.

    ``forward`` gives the server's answer to a request: status, headers and content.
    """

    def __init__(self, forward):
        self._forward = forward
        self.requests = []
        self.held = threading.Event()
        self.release = threading.Event()
        self.most_at_once = 0
        self._at_once = 0
        self.refused = 0
        self._gone = False
        self._rules = []
        self._per_second = None
        self._allowed = 0.0
        self._counted_at = 0.0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serve).start()
        return self

    def __exit__(self, *error):
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def harm(self, fault, method, part="", times=1):
        """Let requests whose URL has ``part`` suffer a fault, so many times."""
        assert fault in FAULTS
        self._rules.append([times, fault, method, part])

    def limit(self, per_second):
        """Answer 503 SlowDown to more requests; a fifth of them may come at once."""
        self._per_second = per_second
        self._allowed = per_second / 5
        self._counted_at = time.monotonic()

    def release_all(self):
        """Do no more harm."""
        self._rules.clear()
        self._per_second = None
        self._gone = False
        self.release.set()

    def sent(self, method, part=""):
        """Give the paths of the requests so far."""
        return [
            request.path
            for request in list(self.requests)
            if request.method == method and part in request.path
        ]

    @contextmanager
    def _counted(self):
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def _fault_for(self, request):
        with self._lock:
            self.requests.append(request)
            if self._gone:
                return "drop"
            for rule in self._rules:
                times, fault, method, part = rule
                whole = f"{request.path}?{request.query}"
                if times and method == request.method and part in whole:
                    rule[0] -= 1
                    self._gone = fault == "go away"
                    return fault
            return None if self._is_allowed() else "slow down"

    def _is_allowed(self):
        if self._per_second is None:
            return True
        now = time.monotonic()
        gained = (now - self._counted_at) * self._per_second
        self._allowed = min(self._allowed + gained, self._per_second / 5)
        self._counted_at = now
        if self._allowed < 1:
            self.refused += 1
            return False
        self._allowed -= 1
        return True

    def _handler(proxy):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body go in two writes; the second must not wait for an answer.
            disable_nagle_algorithm = True

            def handle_one_request(self):
                with suppress(ConnectionError):
                    super().handle_one_request()

            def log_message(self, *args):
                pass

            def pass_on(self):
                with proxy._counted():
                    self.harm_and_pass_on()

            def harm_and_pass_on(self):
                parts = urlsplit(self.path)
                request = Request(self.command, unquote(parts.path), parts.query)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = proxy._fault_for(request)
                if fault == "hold":
                    proxy.held.set()
                    proxy.release.wait(30)
                elif fault == "slow":
                    time.sleep(0.2)
                elif fault == "slow down":
                    self.answer(503, {}, SLOW_DOWN)
                    return
                elif fault == "too many":
                    self.answer(429, {}, b"")
                    return
                elif fault == "skewed":
                    self.answer(403, {}, SKEWED)
                    return
                elif fault == "quota":
                    self.answer(403, {}, QUOTA)
                    return
                elif fault == "no upload":
                    self.answer(404, {}, NO_UPLOAD)
                    return
                elif fault == "damage":
                    body = bytes([body[0] ^ 1]) + body[1:]
                elif fault in ("drop", "go away"):
                    self.close_connection = True
                    return
                status, headers, answer = proxy._forward(
                    self.command, self.path, dict(self.headers), body
                )
                if fault == "lose answer":
                    self.close_connection = True
                    return
                if fault == "truncate":
                    headers["Content-Length"] = str(len(answer))
                    answer = answer[: len(answer) // 2]
                    self.close_connection = True
                self.answer(status, headers, answer)

            def answer(self, status, headers, content):
                self.send_response_only(status)
                headers.setdefault("Content-Length", str(len(content)))
                for name, value in headers.items():
                    if name.lower() not in ("connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815

        return Handler
