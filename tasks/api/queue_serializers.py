"""The shapes of what is told of freezes, pauses and acts on several tasks."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tasks.api.serializers import QueueSerializer
from tasks.models import LONGEST_REASON

TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
REASON = {"type": "string", "maxLength": LONGEST_REASON}
TYPES = {
    "type": "array",
    "items": TEXT,
    "minItems": 1,
    "description": "names of types, or patterns such as `sync-*`",
}


def body(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return the schema of a body that takes these and nothing else."""
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


FREEZE_BODY = body(
    {
        "types": TYPES,
        "from": {**TIME, "description": "now, where it is left out"},
        "until": TIME,
        "reason": {**REASON, "minLength": 1},
    },
    *("types", "until", "reason"),
)
PAUSE_BODY = body({"type": TEXT, "reason": REASON})
RESUME_BODY = body({"type": TEXT})


# A dictionary, because "from" is no name that Python takes.
FREEZE = body(
    {
        "id": {
            "type": "string",
            "format": "uuid",
            "nullable": True,
            "description": "null of one that repeats",
        },
        "types": {"type": "array", "items": TEXT},
        "from": TIME,
        "until": TIME,
        "reason": TEXT,
        "state": {"type": "string", "enum": ["active", "coming", "past"]},
        "repeats": {"type": "boolean"},
        "createdBy": {**TEXT, "nullable": True},
        "createdAt": {**TIME, "nullable": True},
    },
    *("id", "types", "from", "until", "reason", "state", "repeats"),
    *("createdBy", "createdAt"),
)
FREEZES = body({"freezes": {"type": "array", "items": FREEZE}}, "freezes")


class PauseSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(allow_null=True, help_text="null: the whole queue")
    by = serializers.CharField()
    since = serializers.DateTimeField()
    reason = serializers.CharField(allow_blank=True)


@extend_schema_serializer(many=False)
class QueueStateSerializer(QueueSerializer):
    paused = PauseSerializer(many=True)
