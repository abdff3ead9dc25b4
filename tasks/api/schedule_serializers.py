"""Schedules for the OpenAPI schema."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tasks.api.serializers import ObjectField
from tasks.models import Schedule, ScheduleRun, Task

# A dictionary, so that a name that is not known is refused.
RUN_NOW_BODY = {
    "type": "object",
    "properties": {
        "overrideFreeze": {
            "type": "string",
            "minLength": 1,
            "description": "why it starts though its type is frozen; needs `admin`",
        }
    },
    "additionalProperties": False,
}


class ReasonSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="one of docs/reference/reasons.md")
    params = ObjectField()
    message = serializers.CharField(help_text="the same as one English sentence")


class NextRunSerializer(serializers.Serializer[Any]):
    at = serializers.CharField(help_text="UTC, ISO 8601 with milliseconds")
    local = serializers.CharField(help_text="in the schedule's time zone")


class ScheduleRunSerializer(serializers.Serializer[Any]):
    dueAt = serializers.CharField()  # noqa: N815
    outcome = serializers.ChoiceField(ScheduleRun.Outcome.values)
    cause = serializers.ChoiceField(ScheduleRun.Cause.values)
    reason = ReasonSerializer(
        allow_null=True, help_text="why it was skipped, missed or refused"
    )
    taskId = serializers.UUIDField(  # noqa: N815
        allow_null=True, help_text="null also where the task has been deleted"
    )
    status = serializers.ChoiceField(
        Task.Status.values, allow_null=True, help_text="of its task"
    )


class ScheduleSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.CharField()
    cron = serializers.CharField()
    timezone = serializers.CharField()
    params = ObjectField()
    overlap = serializers.ChoiceField(Schedule.Overlap.values)
    catchUp = serializers.ChoiceField(Schedule.CatchUp.values)  # noqa: N815
    origin = serializers.ChoiceField(Schedule.Origin.values)
    state = serializers.ChoiceField(Schedule.State.values)
    pausedAt = serializers.CharField(allow_null=True)  # noqa: N815
    pausedBy = serializers.CharField(allow_null=True)  # noqa: N815
    retiredAt = serializers.CharField(  # noqa: N815
        allow_null=True, help_text="since when the file has it no more"
    )
    nextRuns = NextRunSerializer(  # noqa: N815
        many=True, help_text="five; none of one that is paused or retired"
    )
    lastRun = ScheduleRunSerializer(allow_null=True)  # noqa: N815
    failuresInARow = serializers.IntegerField(min_value=0)  # noqa: N815
    keepsFailing = serializers.BooleanField(  # noqa: N815
        help_text="three or more runs in a row have failed"
    )
    problem = ReasonSerializer(
        allow_null=True, help_text="why it could not start its task now"
    )


class ScheduleWithRunsSerializer(ScheduleSerializer):
    runs = ScheduleRunSerializer(many=True, help_text="the newest 50")


# It is one object; the view's name alone would make it a list of them.
@extend_schema_serializer(many=False)
class SchedulesSerializer(serializers.Serializer[Any]):
    schedules = ScheduleSerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="the next page's “after”; null on the last page"
    )
