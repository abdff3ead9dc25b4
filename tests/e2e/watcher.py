"""A client of a stream that follows it through cuts, in a thread of its own."""

import threading
import time

import requests

from tests.waiting import PATIENCE_SECONDS

from .conftest import parse


class Watcher(threading.Thread):
    """Comes back at once whenever it is cut off, behind the last line that it saw."""

    def __init__(self, product, task_id):
        super().__init__(daemon=True)
        self.product, self.task_id = product, task_id
        self.seqs, self.end = [], None
        self.came_at = []  # time.monotonic() of each line
        self.ports = []  # its own, of each connection
        self.refused = []  # what was said in place of a stream
        self.start()

    def run(self):
        while self.end is None:
            headers = dict(self.product.key)
            if self.seqs:
                headers["Last-Event-ID"] = str(self.seqs[-1])
            url = f"{self.product.url}/api/tasks/{self.task_id}/stream"
            try:
                with requests.get(
                    url, headers=headers, stream=True, timeout=PATIENCE_SECONDS
                ) as response:
                    if response.status_code != 200:
                        self.refused.append(response.text)
                        continue
                    connection = response.raw.connection or response.raw._connection
                    self.ports.append(connection.sock.getsockname()[1])
                    for _, event in parse(response):
                        self.take(event)
            except requests.RequestException:
                continue

    def take(self, event):
        if event["type"] == "log":
            self.seqs.append(event["log"]["seq"])
            self.came_at.append(time.monotonic())
        elif event["type"] == "end":
            self.end = event
