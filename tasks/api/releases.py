"""``GET /api/releases``: what is live where."""

from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView
from tasks.api.schema import described
from tasks.api.serializers import ReleasesSerializer
from tasks.releases import releases_within


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
