"""Requests written by hand, as no well-behaved client would send them."""

import json
import socket
from contextlib import contextmanager, suppress

from tests.waiting import PATIENCE_SECONDS

MB = 1024 * 1024
PROBLEM = {"type", "title", "status", "detail", "errors", "requestId"}
FORM = "application/x-www-form-urlencoded"


@contextmanager
def connection(service):
    with socket.create_connection(("127.0.0.1", service.port)) as opened:
        opened.settimeout(PATIENCE_SECONDS)
        yield opened


def head(method, path, *headers, host="127.0.0.1"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path, content_type=FORM, length=30 * MB, *headers):
    """The head of a POST; without a length its body would be chunked."""
    says = f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"
    return head("POST", path, f"Content-Type: {content_type}", says, *headers)


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class Raw:
    """An answer, read until the server closed the connection."""

    def __init__(self, data):
        self.head, _, self.body = data.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1]) if data else None
        self.phrase = self.head.partition(b"\r\n")[0].split(b" ", 2)[-1].decode()

    @property
    def problem(self):
        assert b"application/problem+json" in self.head.lower(), self.head
        assert b"nosniff" in self.head, self.head
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert set(problem) == PROBLEM
        return problem


def answer(opened):
    data = b""
    while piece := opened.recv(65536):
        data += piece
    return Raw(data)


def exchange(service, *parts):
    """Send these, whatever the server does meanwhile, and read the answer."""
    with connection(service) as opened:
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                opened.sendall(part)
        return answer(opened)
