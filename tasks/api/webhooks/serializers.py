"""The shapes of what is told of webhooks and of what was sent to them."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tasks.api.schedule_serializers import ReasonSerializer
from tasks.models import Webhook, WebhookDelivery
from tasks.notify.acts import (
    LONGEST_NAME,
    LONGEST_SECRET,
    MOST_PATTERNS,
    TOLD,
)
from tasks.notify.targets import LONGEST_URL

# ruff: noqa: N815 (the API's names)

TEXT = {"type": "string"}
PATTERNS = {"type": "array", "items": TEXT, "maxItems": MOST_PATTERNS}
WEBHOOK_BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {
            **TEXT,
            "format": "uri",
            "maxLength": LONGEST_URL,
            "description": "https:// or http://; a private address only where "
            "`WEBHOOK_ALLOW` names it",
        },
        "events": {
            **PATTERNS,
            "minItems": 1,
            "default": ["*"],
            "description": "events, or patterns such as `task.*`: " + ", ".join(TOLD),
        },
        "types": {
            **PATTERNS,
            "default": [],
            "description": "of which types of tasks it is told, as names or patterns "
            "such as `sync-*`; without any: of all",
        },
        "format": {
            **TEXT,
            "enum": Webhook.Format.values,
            "default": Webhook.Format.STANDARD.value,
        },
        "language": {
            **TEXT,
            "enum": Webhook.Language.values,
            "default": Webhook.Language.ENGLISH.value,
            "description": "of what a chat is told",
        },
        "name": {
            **TEXT,
            "maxLength": LONGEST_NAME,
            "description": "what people call it",
        },
        "secret": {
            **TEXT,
            "maxLength": LONGEST_SECRET,
            "description": "of Feishu and DingTalk, where their settings show one; "
            "that of Standard Webhooks is made here",
        },
    },
    "additionalProperties": False,
    "required": ["url"],
}


class WebhookSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True)
    url = serializers.CharField(help_text="without what is secret in it")
    events = serializers.ListField(child=serializers.CharField())
    types = serializers.ListField(
        child=serializers.CharField(), help_text="empty: every type"
    )
    format = serializers.ChoiceField(Webhook.Format.values)
    language = serializers.ChoiceField(Webhook.Language.values)
    state = serializers.ChoiceField(Webhook.State.values)
    createdAt = serializers.DateTimeField()
    createdBy = serializers.CharField()
    disabledAt = serializers.DateTimeField(allow_null=True)
    disabledReason = ReasonSerializer(allow_null=True)


class MadeWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(
        allow_null=True,
        help_text="with which Standard Webhooks are signed; it is said this once",
    )


@extend_schema_serializer(many=False)
class WebhooksSerializer(serializers.Serializer[Any]):
    webhooks = WebhookSerializer(many=True, help_text="newest first")


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    durationMs = serializers.IntegerField(min_value=0)
    status = serializers.IntegerField(allow_null=True, help_text="of the answer")
    error = ReasonSerializer(allow_null=True, help_text="null: it was delivered")
    note = ReasonSerializer(
        allow_null=True, help_text="what was wrong with the body of the answer"
    )
    answer = serializers.CharField(
        allow_blank=True, help_text="its first 1,000 characters"
    )


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    messageId = serializers.UUIDField(help_text="`webhook-id`, the same each time")
    event = serializers.CharField()
    taskId = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(WebhookDelivery.State.values)
    failures = serializers.IntegerField(
        min_value=0, help_text="how many failures it counts; 0 of a single event"
    )
    createdAt = serializers.DateTimeField()
    nextAttemptAt = serializers.DateTimeField(allow_null=True)
    endedAt = serializers.DateTimeField(allow_null=True)
    attempts = AttemptSerializer(many=True)


@extend_schema_serializer(many=False)
class DeliveriesSerializer(serializers.Serializer[Any]):
    deliveries = DeliverySerializer(many=True, help_text="newest first")
    next = serializers.IntegerField(
        allow_null=True, help_text="`before` of the next page"
    )
