"""Clients that listen to what changes among all tasks, as an EventSource does."""

import threading
import time
from contextlib import contextmanager

import requests

from tests.waiting import wait_until

from .conftest import parse


class Listener:
    """Reads a stream of events in a thread; comes back by itself, as an EventSource
    does."""

    def __init__(self, url, key):
        self.url, self.key = url, key
        self.events = []
        self.is_over = False

    def listen(self):
        key = {"X-API-Key": self.key}
        while not self.is_over:
            try:
                url = f"{self.url}/api/events"
                with requests.get(url, headers=key, stream=True, timeout=60) as answer:
                    if answer.status_code != 200:
                        continue
                    for event_id, data in parse(answer):
                        assert event_id is None
                        self.events.append(data)
                        if self.is_over:
                            return
            except requests.RequestException:
                time.sleep(0.05)

    def of(self, task_id):
        """The changes of one task."""
        events = [event for event in self.events if event["type"] == "task"]
        return [event["task"] for event in events if event["task"]["id"] == task_id]

    def statuses(self, task_id):
        return [task["status"] for task in self.of(task_id)]

    def count(self, **wanted):
        return sum(wanted.items() <= event.items() for event in self.events)


@contextmanager
def listening(service, count=1, *, url="", key=""):
    """Listeners that are connected."""
    address = url or service.url, key or service.api_key
    listeners = [Listener(*address) for _ in range(count)]
    threads = [threading.Thread(target=one.listen, daemon=True) for one in listeners]
    for thread in threads:
        thread.start()
    try:
        for one in listeners:
            wait_until(lambda one=one: one.count(type="connected"), "connected")
        yield listeners
    finally:
        for one in listeners:
            one.is_over = True
        service.create("say")  # the next event lets them see that it is over
        for thread in threads:
            thread.join(30)
