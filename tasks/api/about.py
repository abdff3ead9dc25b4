"""The API about itself: what there is, the OpenAPI schema, Swagger UI."""

from typing import Any

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, base_url
from tasks.access.rate_limits import Scope
from tasks.api.schema import described
from tasks.api.serializers import RootSerializer

LINKS = {
    "taskTypes": "/api/task-types",
    "tasks": "/api/tasks",
    "createTask": "/api/tasks/{type}",
    "task": "/api/tasks/{id}/status",
    "stream": "/api/tasks/{id}/stream",
    "logs": "/api/tasks/{id}/logs",
    "logsText": "/api/tasks/{id}/logs.txt",
    "export": "/api/tasks/{id}/export.html",
    "cancel": "/api/tasks/{id}/cancel",
    "rerun": "/api/tasks/{id}/rerun",
    "releases": "/api/releases",
    "releaseHistory": "/api/releases/{platform}/history",
    "changes": "/api/releases/{platform}/changes",
    "versions": "/api/versions",
    "schedules": "/api/schedules",
    "events": "/api/events",
    "streams": "/api/streams",
    "schema": "/api/schema",
    "docs": "/api/docs",
    "client": "/client",
    "health": "/health",
    "metrics": "/metrics",
    "console": "/",
    "admin": "/admin/",
}


class PublicView(ApiView):
    """Open to everybody; counted by address, apart from strangers who are refused: a
    job with a stale key must not take the schema away from its neighbours."""

    rate_scope: Scope = "public"
    authentication_classes = ()
    permission_classes = ()


class RootView(PublicView):
    @described(
        "Index",
        "JSON for a program, a page for a browser.",
        operation_id="getRoot",
        is_public=True,
        tags=("about",),
        answers={200: RootSerializer, (200, "text/html"): str},
        problems=(400, 429),
    )
    def get(self, request: Request) -> HttpResponseBase:
        base = base_url(request)
        body = {
            "name": "Resource Sync",
            "version": settings.VERSION,
            "links": {name: base + path for name, path in LINKS.items()},
        }
        # A program that says nothing, or */*, gets JSON.
        kinds = ["application/json", "text/html"]
        response: HttpResponseBase
        if request._request.get_preferred_type(kinds) == "text/html":
            response = render(request._request, "api.html", body)
        else:
            response = Response(body)
        patch_vary_headers(response, ["Accept"])
        return response


@extend_schema(exclude=True)
class SchemaView(PublicView, SpectacularAPIView):
    # JSON first: it is what whoever doesn't say gets, and any YAML parser reads it.
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]


# Swagger UI writes style attributes; its scripts are files from here.
@method_decorator(csp_update({"style-src": [UNSAFE_INLINE]}), name="dispatch")
@extend_schema(exclude=True)
class DocsView(PublicView, SpectacularSwaggerSplitView):
    url_name = "api-schema"


@extend_schema(exclude=True)
class UnknownView(PublicView):
    """Everything below /api that is not there, in DEBUG too."""

    rate_scope = "read"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}
