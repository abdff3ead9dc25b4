"""The shapes of requests and answers about several tasks, for the OpenAPI schema."""

from typing import Any

from rest_framework import serializers

from tasks.api.queue_serializers import TEXT, TIME, body
from tasks.bulk.acting import Outcome
from tasks.bulk.selection import MOST_AT_ONCE
from tasks.models import Task
from tasks.search import MAX_TEXT_LENGTH

STATUSES = {"type": "array", "items": {"type": "string", "enum": Task.Status.values}}
IDS = {
    "type": "array",
    "items": {"type": "string", "format": "uuid"},
    "maxItems": MOST_AT_ONCE,
    "description": "these tasks alone",
}
BODY = body(
    {
        "type": {**TEXT, "description": "the type's name"},
        "status": {"oneOf": [TEXT, STATUSES], "description": "one, or several"},
        "version": TEXT,
        "createdAfter": TIME,
        "createdBefore": TIME,
        "q": {**TEXT, "maxLength": MAX_TEXT_LENGTH},
        "ids": IDS,
        "count": {
            "type": "integer",
            "minimum": 0,
            "description": "how many tasks the filter was seen to find; left out, "
            "nothing is done but counting",
        },
        "seen": {
            **TEXT,
            "description": "from the answer that counted; then no other tasks are "
            "concerned, whatever their number",
        },
    }
)


class ExampleSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.CharField()
    version = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(Task.Status.values)
    createdAt = serializers.DateTimeField()  # noqa: N815 (the API's name)
    createdBy = serializers.CharField()  # noqa: N815


class RefusedSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    count = serializers.IntegerField(min_value=1)


class QuestionSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=0)
    seen = serializers.CharField(help_text="which tasks these are; good for an hour")
    examples = ExampleSerializer(many=True, help_text="the first that would be taken")
    refused = RefusedSerializer(
        many=True, help_text="for how many of them it would be refused, and why"
    )


class ResultSerializer(serializers.Serializer[Any]):
    taskId = serializers.UUIDField()  # noqa: N815
    type = serializers.CharField()
    status = serializers.ChoiceField(Task.Status.values, help_text="afterwards")
    outcome = serializers.ChoiceField(
        [one.value for one in Outcome],
        help_text="`cancelling`: its processes are being stopped. `ended`: before it "
        "could be cancelled. `changed`: it fits the filter no more. `refused`: "
        "`reason` says why",
    )
    reason = serializers.CharField(allow_null=True)
    newTaskId = serializers.UUIDField(  # noqa: N815
        allow_null=True, help_text="the task that a rerun made"
    )


class DoneSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=0, help_text="of the results")
    outcomes = serializers.DictField(
        child=serializers.IntegerField(), help_text="how many there are of each"
    )
    results = ResultSerializer(many=True)
