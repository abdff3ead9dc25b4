"""Hand-over links over HTTP: made, listed, withdrawn."""

from typing import Any

from django.http import Http404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access import hand_over
from tasks.access.admission import ApiView, actor_of, base_url
from tasks.api.parsers import body_of, check_names
from tasks.api.schema import TASK_ID, described
from tasks.api.views import task_of
from tasks.models import HandOverLink, task_id_of
from tasks.timestamps import iso

# ruff: noqa: N815 (the API's names)

SHARE_BODY = {
    "type": "object",
    "properties": {
        "expiresIn": {
            "type": "string",
            "description": "how long the link is good, in m, h or d, of 90d at most",
            "default": hand_over.DEFAULT_LIFE,
        }
    },
    "additionalProperties": False,
}


class ShareSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="by which it is withdrawn")
    createdAt = serializers.DateTimeField()
    createdBy = serializers.CharField(help_text="who made it")
    expiresAt = serializers.DateTimeField(help_text="it opens nothing from then on")
    withdrawnAt = serializers.DateTimeField(
        allow_null=True, help_text="null: nobody withdrew it"
    )
    usable = serializers.BooleanField(help_text="whether it opens the page now")
    opened = serializers.IntegerField(min_value=0, help_text="how often the page was")
    lastOpenedAt = serializers.DateTimeField(
        allow_null=True, help_text="null: it never was"
    )


class MadeShareSerializer(ShareSerializer):
    url = serializers.URLField(help_text="the link, which is said this once")


class SharesSerializer(serializers.Serializer[Any]):
    shares = ShareSerializer(many=True, help_text="newest first")


def shown(link: HandOverLink) -> dict[str, Any]:
    return {
        "id": str(link.pk),
        "createdAt": iso(link.created_at),
        "createdBy": link.made_by,
        "expiresAt": iso(link.expires_at),
        "withdrawnAt": iso(link.withdrawn_at),
        "usable": link.is_usable,
        "opened": link.opened_count,
        "lastOpenedAt": iso(link.last_opened_at),
    }


class TaskShareView(ApiView):
    rate_scope = "create"

    @described(
        "Share a task",
        "A link that shows this task's page, read only and live, to whoever has it, "
        "without an account, until it expires or is withdrawn. Its URL is in this "
        "answer and kept nowhere.",
        scope="`start`",
        operation_id="shareTask",
        request={"application/json": SHARE_BODY},
        parameters=(TASK_ID,),
        answers={201: MadeShareSerializer},
        problems=(400, 404, 413, 415),
        examples=(
            OpenApiExample("Three days", {"expiresIn": "3d"}, request_only=True),
        ),
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        body = body_of(request._request)
        check_names(body, "expiresIn")
        life = hand_over.life_of(body.get("expiresIn", hand_over.DEFAULT_LIFE))
        link, token = hand_over.make_link(task_of(id), actor_of(request), life)
        link.refresh_from_db()
        url = base_url(request) + reverse("shared", args=[token])
        return Response({**shown(link), "url": url}, 201)


class TaskSharesView(ApiView):
    @described(
        "Links to a task",
        "All that were made and are remembered, those that ended too, without their "
        "URLs.",
        scope="`start`",
        operation_id="listTaskShares",
        parameters=(TASK_ID,),
        answers={200: SharesSerializer},
        problems=(404,),
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        hand_over.let_share(actor_of(request))
        links = HandOverLink.objects.filter(task_id=task_of(id).pk)
        return Response({"shares": [shown(link) for link in links]})


class ShareView(ApiView):
    @described(
        "Withdraw a link",
        "It opens nothing from now on, and streams that it opened are closed within "
        "30 s. Doing it twice is no error.",
        scope="`start`",
        operation_id="withdrawShare",
        parameters=(
            OpenApiParameter(
                "id",
                OpenApiTypes.UUID,
                OpenApiParameter.PATH,
                description="The link's id.",
            ),
        ),
        answers={200: ShareSerializer},
        problems=(404,),
    )
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        hand_over.let_share(actor_of(request))
        link_id = task_id_of(id)
        link = HandOverLink.objects.filter(pk=link_id).first() if link_id else None
        if link is None:
            raise Http404
        hand_over.withdraw_link(link, actor_of(request))
        link.refresh_from_db()
        return Response(shown(link))
