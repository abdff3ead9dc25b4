"""Webhooks over HTTP: made, listed, tried, deleted, and what was sent to them."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks.access.admission import ApiView, actor_of
from tasks.api.parsers import body_of, check_names
from tasks.api.queries import MAX_SEQ, Query
from tasks.api.schema import described, query
from tasks.api.webhooks.serializers import (
    WEBHOOK_BODY,
    DeliveriesSerializer,
    DeliverySerializer,
    MadeWebhookSerializer,
    WebhookSerializer,
    WebhooksSerializer,
)
from tasks.localized import localized
from tasks.models import Webhook, WebhookDelivery
from tasks.notify import acts
from tasks.reasons import Reason
from tasks.timestamps import iso

TAGS = ("webhooks",)
DELIVERIES, MOST_DELIVERIES = 20, 100
ID = OpenApiParameter(
    "id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The webhook's id."
)
NAMES: tuple[str, ...] = tuple(WEBHOOK_BODY["properties"])


def shown(webhook: Webhook) -> dict[str, Any]:
    """A webhook as programs see it, without what is secret."""
    return {
        "id": str(webhook.pk),
        "name": webhook.name,
        "url": webhook.shown_url,
        "events": webhook.events,
        "types": webhook.types,
        "format": webhook.format,
        "language": webhook.language,
        "state": str(webhook.state),
        "createdAt": iso(webhook.created_at),
        "createdBy": webhook.created_by,
        "disabledAt": iso(webhook.disabled_at),
        "disabledReason": _reason(webhook.disabled_reason),
    }


def shown_delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.pk,
        "messageId": str(delivery.message_id),
        "event": delivery.event,
        "taskId": str(delivery.task_id) if delivery.task_id else None,
        "state": delivery.state,
        "failures": delivery.failures,
        "createdAt": iso(delivery.created_at),
        "nextAttemptAt": iso(delivery.next_at),
        "endedAt": iso(delivery.ended_at),
        "attempts": [
            {**one, "error": _reason(one["error"]), "note": _reason(one["note"])}
            for one in delivery.attempts
        ],
    }


def _reason(stored: Any) -> dict[str, Any] | None:
    if not stored:
        return None
    return {**stored, "message": localized(Reason.of(stored))}


class WebhookViewSet(ViewSetMixin, ApiView):
    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        asked = super().initialize_request(request, *args, **kwargs)
        is_sending = self.action in {"create", "test", "send_again"}
        self.rate_scope = "create" if is_sending else "read"
        return asked

    @described(
        "List webhooks",
        "Without their secrets.",
        scope="`admin`",
        operation_id="listWebhooks",
        tags=TAGS,
        answers={200: WebhooksSerializer},
    )
    def list(self, request: Request) -> Response:
        acts.let_manage(actor_of(request))
        return Response({"webhooks": [shown(one) for one in Webhook.objects.all()]})

    @described(
        "Make a webhook",
        "It is told of what happens from now on. `standard` is signed as Standard "
        "Webhooks has it, by the `secret` in this answer, which is shown nowhere else.",
        scope="`admin`",
        operation_id="createWebhook",
        tags=TAGS,
        request={"application/json": WEBHOOK_BODY},
        answers={201: MadeWebhookSerializer},
        problems=(400, 413, 415),
        examples=(
            OpenApiExample(
                "A group chat hears of failed syncs",
                {
                    "url": "https://open.feishu.cn/open-apis/bot/v2/hook/0b1c…",
                    "format": "feishu",
                    "language": "zh-hans",
                    "events": ["task.failed", "release.*"],
                    "types": ["sync-*", "full-sync"],
                },
                request_only=True,
            ),
        ),
    )
    def create(self, request: Request) -> Response:
        actor = actor_of(request)
        acts.let_manage(actor)
        body = body_of(request._request)
        check_names(body, *NAMES)
        made = acts.make_webhook(body, actor)
        return Response({**shown(made.webhook), "secret": made.secret or None}, 201)

    @described(
        "A webhook",
        "Without its secret.",
        scope="`admin`",
        operation_id="getWebhook",
        tags=TAGS,
        parameters=(ID,),
        answers={200: WebhookSerializer},
        problems=(404,),
    )
    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002
        acts.let_manage(actor_of(request))
        return Response(shown(acts.webhook_of(id)))

    @described(
        "Delete a webhook",
        "With its deliveries. What waits is not sent any more.",
        scope="`admin`",
        operation_id="deleteWebhook",
        tags=TAGS,
        parameters=(ID,),
        answers={204: None},
        problems=(404,),
    )
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002
        actor = actor_of(request)
        acts.let_manage(actor)
        acts.delete_webhook(acts.webhook_of(id), actor)
        return Response(status=204)

    @described(
        "Enable a webhook",
        "One that was disabled, by somebody or because its target answered 410. What "
        "happened meanwhile it is not told.",
        scope="`admin`",
        operation_id="enableWebhook",
        tags=TAGS,
        parameters=(ID,),
        answers={200: WebhookSerializer},
        problems=(400, 404, 413, 415),
    )
    def enable(self, request: Request, id: str) -> Response:  # noqa: A002
        return self._switched(request, id, acts.enable)

    @described(
        "Disable a webhook",
        "What waits is not sent any more.",
        scope="`admin`",
        operation_id="disableWebhook",
        tags=TAGS,
        parameters=(ID,),
        answers={200: WebhookSerializer},
        problems=(400, 404, 413, 415),
    )
    def disable(self, request: Request, id: str) -> Response:  # noqa: A002
        return self._switched(request, id, acts.disable_by)

    def _switched(self, request: Request, id: str, act: Any) -> Response:  # noqa: A002
        actor = actor_of(request)
        acts.let_manage(actor)
        check_names(body_of(request._request))
        webhook = acts.webhook_of(id)
        act(webhook, actor)
        webhook.refresh_from_db()
        return Response(shown(webhook))

    @described(
        "Send a test message",
        "A runner sends it at once; its delivery says what came of it.",
        scope="`admin`",
        operation_id="testWebhook",
        tags=TAGS,
        parameters=(ID,),
        answers={202: DeliverySerializer},
        problems=(400, 404, 413, 415),
    )
    def test(self, request: Request, id: str) -> Response:  # noqa: A002
        actor = actor_of(request)
        acts.let_manage(actor)
        check_names(body_of(request._request))
        return Response(shown_delivery(acts.send_test(acts.webhook_of(id), actor)), 202)

    @described(
        "What was sent to a webhook",
        "Newest first, with each attempt and what was answered. What has ended is kept "
        "for 30 days.",
        scope="`admin`",
        operation_id="listWebhookDeliveries",
        tags=TAGS,
        parameters=(
            ID,
            query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST_DELIVERIES},
                "How many on a page.",
            ),
            query("before", {"type": "integer", "minimum": 1}, "What `next` said."),
        ),
        answers={200: DeliveriesSerializer},
        problems=(400, 404),
    )
    def deliveries(self, request: Request, id: str) -> Response:  # noqa: A002
        acts.let_manage(actor_of(request))
        webhook = acts.webhook_of(id)
        asked = Query(request._request.GET)
        limit = asked.number("limit", DELIVERIES, 1, MOST_DELIVERIES)
        before = asked.number("before", MAX_SEQ, 1, MAX_SEQ)
        asked.check()
        rows = list(webhook.deliveries.filter(pk__lt=before)[: limit + 1])
        page = rows[:limit]
        return Response(
            {
                "deliveries": [shown_delivery(one) for one in page],
                "next": page[-1].pk if len(rows) > limit else None,
            }
        )

    @described(
        "Send a message again",
        "One that has ended, with the same `webhook-id`.",
        scope="`admin`",
        operation_id="resendWebhookDelivery",
        tags=TAGS,
        parameters=(
            ID,
            OpenApiParameter(
                "delivery",
                OpenApiTypes.INT,
                OpenApiParameter.PATH,
                description="The delivery's id.",
            ),
        ),
        answers={202: DeliverySerializer},
        problems=(400, 404, 413, 415),
    )
    def send_again(self, request: Request, id: str, delivery: int) -> Response:  # noqa: A002
        actor = actor_of(request)
        acts.let_manage(actor)
        check_names(body_of(request._request))
        found = acts.delivery_of(acts.webhook_of(id), delivery)
        acts.send_again(found, actor)
        found.refresh_from_db()
        return Response(shown_delivery(found), 202)
