"""``GET /api/versions``: which versions there are to choose from."""

from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView
from tasks.api.queries import Query
from tasks.api.release_serializers import VersionsSerializer
from tasks.api.schema import described, query
from tasks.versions import known_platforms, versions_within

PLATFORM = query(
    "platform", str, "Only of this platform, or of several with commas between."
)


class VersionsView(ApiView):
    @described(
        "Versions there are",
        "What lies in the source and in the store, newest first, one entry for each "
        "version of a platform, at most a few seconds old. `places` says what was "
        "asked; one that did not answer, or could not be read, has an `error`.",
        operation_id="listVersions",
        tags=("releases",),
        parameters=(PLATFORM,),
        answers={200: VersionsSerializer},
    )
    def get(self, request: Request) -> Response:
        platforms = known_platforms()
        given = Query(request.query_params)
        wanted = given.choices("platform", platforms) or platforms
        given.check()
        return Response(versions_within(p for p in platforms if p in wanted))
