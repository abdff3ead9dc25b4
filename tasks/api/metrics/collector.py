"""What is collected at a scrape."""

import threading
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from tasks.api.metrics import ends, queue, services
from tasks.databases.errors import outage_errors
from tasks.disk import free_bytes
from tasks.instruments import exchange

METRICS_SECONDS = 1.0
# The tables may be missing as well as the server.
NO_DATABASE: tuple[type[Exception], ...] = (DatabaseError, *outage_errors())


class TaskCollector(Collector):
    """What is true of the whole service: the same whichever process is asked.

    Asked anew once a second at most.
    """

    def __init__(self, *, has_database: bool = True) -> None:
        self._lock = threading.Lock()
        self._has_database = has_database
        self.forget()

    def forget(self) -> None:
        self._collected: list[Metric] = []
        self._good_until = 0.0

    def collect(self) -> list[Metric]:
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._collected = list(self._collect())
                self._good_until = time.monotonic() + METRICS_SECONDS
            return self._collected

    def _collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "resource_sync_build",
            "What runs here.",
            value={"version": settings.VERSION},
        )
        measured: list[Metric] = []
        if self._has_database:
            try:
                measured = [*queue.measured(), *ends.measured(), *services.measured()]
            except NO_DATABASE:
                measured = []
        yield GaugeMetricFamily(
            "resource_sync_database_up",
            "Whether the database answers.",
            value=1 if measured else 0,
        )
        free = GaugeMetricFamily(
            "resource_sync_disk_free_bytes",
            "What the service may still write to a disk; `database` is SQLite's.",
            labels=["folder"],
        )
        for name, count in free_bytes().items():
            free.add_metric([name], count)
        yield free
        yield from services.redis()
        yield from measured


class ProcessesCollector(Collector):
    """What each process of this host has counted."""

    def collect(self) -> list[Metric]:
        return exchange.collected()
