"""``GET /metrics``, for Prometheus."""

import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from rest_framework.request import Request

from tasks import problems
from tasks.access.addresses import address_of
from tasks.access.admission import ApiView
from tasks.access.authentication import KeyOwner
from tasks.access.rights import Rights
from tasks.api.metrics.collector import ProcessesCollector, TaskCollector
from tasks.api.schema import described

collector = TaskCollector()


class MetricsView(ApiView):
    throttle_classes = ()  # it must work when all else is busy

    def perform_authentication(self, request: Request) -> None:
        """A listed address is as good as a key with `read`, whatever else it sends."""
        if _is_listed(address_of(request._request)):
            owner: Any = KeyOwner("metrics", "metrics", Rights.of_key("read"))
            request.user = owner
        else:
            super().perform_authentication(request)

    @described(
        "Metrics for Prometheus",
        "An address in `METRICS_ALLOWLIST` needs no key.",
        operation_id="getMetrics",
        tags=("operations",),
        answers={
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/openmetrics-text"): OpenApiTypes.STR,
        },
        problems=(400,),
    )
    def get(self, request: Request) -> HttpResponse:
        return _exposed(request._request, collector)


def metrics_without_database(request: HttpRequest) -> HttpResponse:
    """Return what the processes have counted, for a database that lets it wait. A key
    can't be looked up there."""
    if _is_listed(address_of(request)):
        return _exposed(request, TaskCollector(has_database=False))
    return problems.problem(503, None, "The database does not answer; try again soon.")


def _exposed(request: HttpRequest, tasks: Collector) -> HttpResponse:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(tasks)
    registry.register(ProcessesCollector())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _is_listed(address: str | None) -> bool:
    return address is not None and any(
        ipaddress.ip_address(address) in network
        for network in settings.METRICS_ALLOWLIST
    )
