"""A server on this machine that webhooks are sent to; it answers as it is told."""

import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Received:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Receiver:
    """``answer``: what it does with a connection, once the request was read: bytes to
    be sent, or a function that gets the connection and the request."""

    answer: object = OK
    tls: object = None
    received: list[Received] = field(default_factory=list)

    def __post_init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._socket.getsockname()[1]
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def bodies(self):
        return [one.json for one in self.received]

    def events(self):
        return [body["type"] for body in self.bodies()]

    def close(self):
        for connection in [self._socket, *self._connections]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._connections.append(connection)
                threading.Thread(
                    target=self._serve, args=(connection,), daemon=True
                ).start()

    def _serve(self, connection):
        with suppress(OSError, ValueError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection:
                request = self._read(connection.makefile("rb"))
                self.received.append(request)
                if callable(self.answer):
                    self.answer(connection, request)
                else:
                    connection.sendall(self.answer)

    def _read(self, stream):
        line = stream.readline().decode().strip()
        headers = {}
        while header := stream.readline().strip():
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        return Received(line, headers, body)


def answer(status, body=b"", **headers):
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chat_answer(**told):
    return answer(200, json.dumps(told).encode())
