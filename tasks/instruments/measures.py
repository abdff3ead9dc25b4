"""The instruments: what is counted and timed, by which names.

Labels have few values: no id, no path, no address. docs/reference/metrics.md describes
each, and a test holds it to that.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# Prometheus sees a restart by a counter that falls; a series more for each would say
# when that was.
disable_created_metrics()  # type: ignore[no-untyped-call]

OF_WEB, OF_RUNNER = CollectorRegistry(), CollectorRegistry()
REGISTRIES = {"web": OF_WEB, "runner": OF_RUNNER}

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# --- Web processes --------------------------------------------------------------------

requests = Counter(
    "resource_sync_http_requests",
    "Requests answered, streams with them.",
    ["method", "status"],
    registry=OF_WEB,
)
request_seconds = Histogram(
    "resource_sync_http_request_seconds",
    "From a request's head to its response's, without streams and held requests.",
    ["area"],
    buckets=FAST,
    registry=OF_WEB,
)
requests_at_work = Gauge(
    "resource_sync_http_requests_at_work",
    "Requests that are waiting for a thread or are answered by one.",
    registry=OF_WEB,
)
open_streams = Gauge(
    "resource_sync_streams_open",
    "Streams that are open.",
    ["stream"],
    registry=OF_WEB,
)
streams_cut = Counter(
    "resource_sync_clients_cut",
    "Clients cut off.",
    ["reason"],
    registry=OF_WEB,
)
line_seconds = Histogram(
    "resource_sync_line_seconds",
    "From a line's print to its viewers, of the oldest line of what they got at once.",
    buckets=FAST,
    registry=OF_WEB,
)
stream_outage = Gauge(
    "resource_sync_stream_outage",
    "1 while this process can't read what its streams would say.",
    ["stream"],
    registry=OF_WEB,
)
failed_sign_ins = Counter(
    "resource_sync_failed_sign_ins",
    "Passwords, codes and sign-ins of others that were refused.",
    registry=OF_WEB,
)

# --- Runners --------------------------------------------------------------------------

stored_lines = Counter(
    "resource_sync_stored_lines", "Lines of output stored.", registry=OF_RUNNER
)
stored_bytes = Counter(
    "resource_sync_stored_line_bytes", "Their text, in UTF-8.", registry=OF_RUNNER
)
store_seconds = Histogram(
    "resource_sync_store_seconds",
    "Transactions that store lines and changes.",
    buckets=FAST,
    registry=OF_RUNNER,
)
failed_stores = Counter(
    "resource_sync_failed_stores",
    "Those that the database did not take; they are tried again.",
    registry=OF_RUNNER,
)
pruned_tasks = Counter(
    "resource_sync_pruned_tasks", "Tasks deleted by retention.", registry=OF_RUNNER
)
webhook_attempts = Counter(
    "resource_sync_webhook_attempts",
    "Messages sent to webhooks.",
    ["outcome"],
    registry=OF_RUNNER,
)

# Each is there from the start, or its first event would not be seen as a rise.
for _stream in ("task", "tasks", "several", "log"):
    open_streams.labels(_stream)
for _stream in ("task", "tasks"):
    stream_outage.labels(_stream)
for _reason in ("stalled", "memory", "access"):
    streams_cut.labels(_reason)
for _outcome in ("delivered", "failed"):
    webhook_attempts.labels(_outcome)


def count_request(method: str, status: int) -> None:
    """Count a request; a method that nobody knows is one that a client made up."""
    known = method if method in METHODS else "other"
    requests.labels(known, str(status)).inc()
