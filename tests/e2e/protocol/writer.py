"""The writing half of Durable Streams, for its conformance suite alone: what is put and
posted here becomes lines of a task, and what is read comes from the product's
``/api/tasks/{id}/log``, with the lines' texts as its body and its headers as they are.

python -m tests.e2e.protocol.writer PORT PRODUCT_URL API_KEY
"""

import base64
import json
import os
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import django
import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from tasks.logs import append as log_append  # noqa: E402
from tasks.logs.pages import offset_of  # noqa: E402
from tasks.logs.store import Line  # noqa: E402
from tasks.models import Task  # noqa: E402

NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = "application/json"
PASSED_ON = (
    "If-None-Match",
    "Accept",
    "Origin",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
)
# What the body, which is another here, says of itself.
OF_THE_BODY = {"content-length", "content-type", "transfer-encoding", "connection"}

product, key = "", ""
streams: dict[str, tuple[str, Task]] = {}  # content type and task of each path
turn = threading.Lock()  # one append at a time


def messages_of(content_type, body):
    """The messages that a body is, as lines hold them."""
    if not body:
        return []
    if content_type.startswith(JSON):
        found = json.loads(body)
        found = found if isinstance(found, list) else [found]
        return [json.dumps(one, ensure_ascii=False) for one in found]
    if content_type.startswith("text/"):
        return [body.decode()]
    return [base64.b64encode(body).decode()]


def body_of(content_type, lines):
    """What a stream of this type answers with in place of these lines."""
    messages = [line["message"] for line in lines]
    if content_type.startswith(JSON):
        return f"[{','.join(messages)}]".encode()
    if content_type.startswith("text/"):
        return "".join(messages).encode()
    return b"".join(map(base64.b64decode, messages))


def is_binary(content_type):
    return not content_type.startswith((JSON, "text/"))


def event_of(content_type, lines):
    """The same as an event's data."""
    body = body_of(content_type, lines)
    if is_binary(content_type):
        body = base64.b64encode(body)
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    return "".join(f"data:{line}\n" for line in text.split("\n"))


def append(task, messages, *, ends):
    with turn, transaction.atomic():
        rows = [
            Line(seq, int(time.time() * 1000), "stdout", message)
            for seq, message in enumerate(messages, task.last_seq + 1)
        ]
        if rows:
            log_append.append([(task.pk, rows)])
        task.last_seq += len(rows)
        changed = {"last_seq": task.last_seq}
        if ends:
            changed |= {"status": "completed", "completed_at": timezone.now()}
        Task.objects.filter(pk=task.pk).update(**changed)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def stream(self):
        return streams.get(self.path.partition("?")[0])

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # its tests leave where they have seen enough
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def do_PUT(self):
        body = self.body()
        kind = self.headers.get("Content-Type") or "application/octet-stream"
        kind = kind.lower()
        task = Task.objects.create(type="stream", status="pending", params={})
        ends = self.headers.get("Stream-Closed", "").lower() == "true"
        append(task, messages_of(kind, body), ends=ends)
        streams[self.path] = (kind, task)
        self.wrote(201, kind, task, ends=ends)
        connection.close()

    def do_POST(self):
        body = self.body()
        if self.stream is None:
            self.answer(404)
            return
        kind, task = self.stream
        ends = self.headers.get("Stream-Closed", "").lower() == "true"
        try:
            messages = messages_of(kind, body)
        except ValueError:
            messages = []
        if not (messages or ends):
            self.answer(400)
            return
        append(task, messages, ends=ends)
        self.wrote(204, kind, task, ends=ends)
        connection.close()

    def wrote(self, status, kind, task, *, ends):
        headers = {
            "Content-Type": kind,
            "Stream-Next-Offset": offset_of(task.last_seq),
            "X-Content-Type-Options": "nosniff",
            "Location": f"http://{self.headers['Host']}{self.path}",
        }
        self.answer(status, headers | ({"Stream-Closed": "true"} if ends else {}))

    def do_DELETE(self):
        _kind, task = streams.pop(self.path)
        task.delete()
        self.answer(204)
        connection.close()

    def do_OPTIONS(self):
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        kind, task = self.stream or (JSON, None)
        _path, mark, query = self.path.partition("?")
        passed = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        task_id = task.pk if task else NOBODY
        with requests.request(
            self.command,
            f"{product}/api/tasks/{task_id}/log{mark}{query}",
            headers={"X-API-Key": key, **passed},
            stream=True,
            timeout=600,
        ) as answer:
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in OF_THE_BODY
            }
            if answer.headers.get("Content-Type") == "text/event-stream":
                self.send_events(kind, answer, headers)
            elif answer.status_code == 200 and self.command == "GET":
                headers["Content-Type"] = kind
                self.answer(200, headers, body_of(kind, answer.json()))
            else:
                headers["Content-Type"] = kind
                self.answer(answer.status_code, headers)

    def send_events(self, kind, answer, headers):
        self.close_connection = True
        self.send_response(200)
        base64_is_said = {"stream-sse-data-encoding": "base64"}
        encoding = base64_is_said if is_binary(kind) else {}
        more = {"Content-Type": "text/event-stream", "Connection": "close", **encoding}
        for name, value in {**headers, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        event = []
        for line in answer.iter_lines(chunk_size=None, decode_unicode=True):
            if line:
                event.append(line)
                continue
            if event and event[0] == "event: data":
                data = "".join(one.removeprefix("data:") for one in event[1:])
                text = f"event: data\n{event_of(kind, json.loads(data))}\n"
            else:
                text = "\n".join([*event, "", ""])
            try:
                self.wfile.write(text.encode())
            except ConnectionError:
                return
            event = []


if __name__ == "__main__":
    port, product, key = sys.argv[1:]
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
