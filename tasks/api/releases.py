"""``GET /api/releases``: what is live where, and what a version changes."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView
from tasks.api.queries import Query
from tasks.api.release_serializers import ChangesSerializer, ReleasesSerializer
from tasks.api.schema import described, query
from tasks.catalog.task_type import ParameterErrors
from tasks.changes import changes_within
from tasks.releases import releases_within

COMPARE_SECONDS = 4.0  # a request has one of twelve threads


class ReleasesView(ApiView):
    @described(
        "Live versions",
        "One entry a platform, read from the stores themselves, at most a few seconds "
        "old. A store that can't be read has an `error`, and nulls.",
        operation_id="listReleases",
        tags=("releases",),
        answers={200: ReleasesSerializer},
    )
    def get(self, request: Request) -> Response:
        return Response({"releases": releases_within()})


class ChangesView(ApiView):
    @described(
        "Changes between two versions",
        "What `to` adds, changes, moves and removes, and what players download for it. "
        "Each version is taken from the store, or else from the source, so it works "
        "before anything is published. A comparison that takes longer than four "
        "seconds is 503 with `Retry-After`, and goes on.",
        operation_id="getChanges",
        tags=("releases",),
        parameters=(
            OpenApiParameter("platform", str, OpenApiParameter.PATH),
            query("to", str, "The new version.", required=True),
            query(
                "from",
                str,
                "The old version; without it, what is live, or was before where `to` "
                "is live itself.",
            ),
        ),
        answers={200: ChangesSerializer},
        problems=(404, 409),
    )
    def get(self, request: Request, platform: str) -> Response:
        asked = Query(request._request.GET)
        version, since = asked.text("to"), asked.text("from")
        asked.check()
        if not version:
            raise ParameterErrors({"to": [_("Required.")]})
        return Response(changes_within(COMPARE_SECONDS, platform, version, since))
