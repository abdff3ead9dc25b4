"""The shapes of the answers, for the OpenAPI schema.

The answers themselves are made by ``tasks.representation``, which the stream and the
commands share; tests hold the two together.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tasks.api.approvals.serializers import JSON_OBJECT as JSON_OBJECT
from tasks.api.approvals.serializers import (
    ApprovalResultSerializer,
    ApprovalSerializer,
    ApprovalWantedSerializer,
)
from tasks.api.approvals.serializers import ObjectField as ObjectField
from tasks.models import LogLine, Task


class LogLineSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField(
        min_value=1, help_text="1, 2, 3 … without a hole; the id of the stream's event"
    )
    timestamp = serializers.DateTimeField()
    level = serializers.ChoiceField(LogLine.Level.values)
    message = serializers.CharField(allow_blank=True)


class TaskStepSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(min_value=0, help_text="0 until the first starts")
    count = serializers.IntegerField(min_value=0)
    name = serializers.CharField(allow_blank=True)


class StepResultSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    command = serializers.CharField(allow_blank=True, help_text="“” of an approval")
    exitCode = serializers.IntegerField(allow_null=True)  # noqa: N815 (the API's name)
    signal = serializers.CharField(
        required=False, allow_null=True, help_text="which one ended it, e.g. SIGKILL"
    )
    attempt = serializers.IntegerField(
        required=False, min_value=1, help_text="2 and more where it was tried again"
    )
    durationMs = serializers.IntegerField()  # noqa: N815
    longestSilenceMs = serializers.IntegerField(  # noqa: N815
        required=False, help_text="between two lines, or one and the step's ends"
    )
    outputs = serializers.ListField(
        required=False,
        child=serializers.CharField(),
        help_text="the names of what it put out",
    )
    takenFrom = serializers.UUIDField(  # noqa: N815
        required=False,
        help_text="the task that did it, where a rerun started at a later step",
    )
    approval = ApprovalResultSerializer(
        required=False, help_text="who approved it, of a step that asked for that"
    )
    maxRssBytes = serializers.IntegerField(  # noqa: N815
        required=False,
        allow_null=True,
        help_text="the most memory that its program, or a child it waited for, held at "
        "once; null where that is not known",
    )
    cpuSeconds = serializers.FloatField(  # noqa: N815
        required=False,
        allow_null=True,
        help_text="processor time of its program and the children it waited for",
    )


class FirstErrorSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField(min_value=1, help_text="its line in the log")
    message = serializers.CharField(help_text="at most 300 characters of it")


class TaskResultSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    results = StepResultSerializer(many=True)
    firstError = FirstErrorSerializer(  # noqa: N815
        required=False,
        help_text="the program's own words: its first `::error::`, or, of a task that "
        "failed without, what its last traceback names, or its last line on stderr",
    )
    outputs = ObjectField(
        required=False,
        help_text="what the steps put out, by name: at most 64 KiB each, 1 MiB and "
        "1,000 in all",
    )
    outputsOmitted = serializers.BooleanField(  # noqa: N815
        required=False,
        help_text="true in lists and events, where the result has more than 64 KiB: "
        "`GET /api/tasks/{id}/status` has its outputs",
    )


class WaitingForSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(
        ["paused", "runner", "lock", "limit", "turn"],
        help_text="the queue or its type is paused; no living runner takes its type; "
        "another task holds its lock, or is before it for the same; as many of its "
        "type run as may; it is not its turn",
    )
    position = serializers.IntegerField(min_value=1, help_text="1 is next")
    taskId = serializers.UUIDField(  # noqa: N815
        allow_null=True, help_text="which task it waits for, where it is the lock"
    )
    message = serializers.CharField(help_text="the same in one sentence")


class TaskSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.CharField()
    params = serializers.DictField(child=serializers.CharField(allow_blank=True))
    status = serializers.ChoiceField(Task.Status.values)
    waitingFor = WaitingForSerializer(  # noqa: N815
        allow_null=True,
        help_text="why it does not run yet; null unless it is pending, and while it is"
        " so new that nobody has looked",
    )
    approval = ApprovalSerializer(
        allow_null=True, help_text="the newest that its steps asked for"
    )
    approvalMs = serializers.IntegerField(  # noqa: N815
        min_value=0,
        help_text="for how long it waited for approvals that were given: no work",
    )
    attempt = serializers.IntegerField(
        min_value=1, help_text="2 after it went back to the queue, its runner dead"
    )
    progress = serializers.IntegerField(min_value=0, max_value=100)
    step = TaskStepSerializer()
    createdAt = serializers.DateTimeField()  # noqa: N815
    startedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    completedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    createdBy = serializers.CharField(allow_blank=True)  # noqa: N815
    scheduleId = serializers.UUIDField(  # noqa: N815
        allow_null=True, help_text="the schedule that started it, if one did"
    )
    stalledSince = serializers.DateTimeField(  # noqa: N815
        allow_null=True, help_text="since when its step is silent, if for too long"
    )
    cancelRequestedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    cancelRequestedBy = serializers.CharField(allow_null=True)  # noqa: N815
    cancelForced = serializers.BooleanField(  # noqa: N815
        help_text="whether its processes are killed without time to end in order"
    )
    pinned = serializers.BooleanField(
        help_text="whether it is kept however many tasks follow it"
    )
    rerunOf = serializers.UUIDField(allow_null=True)  # noqa: N815
    result = TaskResultSerializer(allow_null=True, help_text="null until the end")
    summary = serializers.CharField(
        allow_null=True,
        help_text="the Markdown that it wrote for people (`::summary::`), as it wrote "
        "it; null where it wrote none, and in lists and events",
    )
    summaryBytes = serializers.IntegerField(  # noqa: N815
        min_value=0, help_text="how long the summary is, in UTF-8: at most 64 KiB"
    )
    error = serializers.CharField(
        allow_null=True, help_text="one sentence saying what failed, or null"
    )
    errorCode = serializers.CharField(  # noqa: N815
        allow_null=True,
        help_text="the kind of that sentence, such as `step-failed`: "
        "docs/reference/reasons.md",
    )
    errorParams = serializers.DictField(  # noqa: N815
        allow_null=True,
        help_text="what the sentence names: texts, numbers, and where a part of it is "
        "a sentence itself, an object with `code` and `params`",
    )
    logCount = serializers.IntegerField(min_value=0)  # noqa: N815
    logs = LogLineSerializer(many=True, help_text="the newest few; none in lists")
    statusUrl = serializers.URLField()  # noqa: N815
    streamUrl = serializers.URLField()  # noqa: N815


# Bodies in which a name that is not known is refused; a serializer can't say that.
CANCEL_BODY = {
    "type": "object",
    "properties": {
        "force": {
            "type": "boolean",
            "default": False,
            "description": "kill its processes at once, instead of asking first",
        }
    },
    "additionalProperties": False,
}
RERUN_BODY = {
    "type": "object",
    "properties": {
        "params": {
            **JSON_OBJECT,
            "description": "parameters in place of the first task's",
        },
        "confirm": {
            "type": "string",
            "description": "the version once more (or the type's name, where it has "
            "none), of a type with confirm; needed with a session, not with a key",
        },
        "fromStep": {
            "type": "integer",
            "minimum": 1,
            "description": "where it starts, 1 is the first step; those before are "
            "taken over from the first task, which has to have done them",
        },
        "overrideFreeze": {
            "type": "string",
            "minLength": 1,
            "description": "why it starts though its type is frozen; needs `admin`",
        },
    },
    "additionalProperties": False,
}


class TaskStartedSerializer(TaskSerializer):
    taskId = serializers.UUIDField(help_text="the same as id")  # noqa: N815


# It is one object; the view's name alone would make it a list of them.
@extend_schema_serializer(many=False)
class TaskListSerializer(serializers.Serializer[Any]):
    tasks = TaskSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="older tasks")
    previous = serializers.URLField(allow_null=True, help_text="newer tasks")
    count = serializers.IntegerField(min_value=0, help_text="of all pages together")


class StepSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    approval = ApprovalWantedSerializer(
        required=False, help_text="what it has instead of a command"
    )


class TaskTypeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    name = serializers.CharField(help_text="the same as type")
    title = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    params = ObjectField(help_text="JSON Schema of the body that starts one")
    steps = StepSerializer(many=True)
    timeoutSeconds = serializers.FloatField(allow_null=True)  # noqa: N815
    idempotent = serializers.BooleanField()
    confirm = serializers.BooleanField(help_text="people are asked before it starts")
    allow = serializers.ListField(
        child=serializers.CharField(),
        help_text="the groups whose people start it; none: whoever may start tasks",
    )
    labels = serializers.ListField(
        child=serializers.CharField(),
        help_text="what a runner must have to run it; none: every runner does",
    )
    hidden = serializers.BooleanField(help_text="the pages don't offer it")
    createUrl = serializers.URLField()  # noqa: N815


class TaskTypesSerializer(serializers.Serializer[Any]):
    taskTypes = TaskTypeSerializer(many=True)  # noqa: N815


class QueueSerializer(serializers.Serializer[Any]):
    pending = serializers.IntegerField(min_value=0)
    running = serializers.IntegerField(min_value=0)
    oldestPendingSeconds = serializers.IntegerField(min_value=0)  # noqa: N815


class PausedSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(allow_null=True, help_text="null: the whole queue")
    since = serializers.DateTimeField()


class HealthQueueSerializer(QueueSerializer):
    paused = PausedSerializer(
        many=True, help_text="what is paused; `GET /api/queue` says by whom and why"
    )


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="ok, degraded, or unavailable")
    version = serializers.CharField()
    database = serializers.CharField(help_text="ok, full, or unavailable")
    runners = serializers.IntegerField(min_value=0, help_text="alive now")
    runnerCrashes = serializers.IntegerField(  # noqa: N815
        min_value=0, help_text="within the last ten minutes"
    )
    queue = HealthQueueSerializer()
    reason = serializers.CharField(required=False, help_text="why it is not ok")


class ReadySerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="ok, or unavailable")
    version = serializers.CharField()
    database = serializers.CharField(help_text="ok, outdated, or unavailable")
    reason = serializers.CharField(required=False, help_text="why it is not ok")


class LiveSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="ok")
    version = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField(help_text="about:blank, or a URN that stays")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="field to messages; empty where no field is to blame",
    )
    until = serializers.DateTimeField(required=False, help_text="of `frozen`: its end")
    reason = serializers.CharField(required=False, help_text="of `frozen`: why")
    requestId = serializers.CharField(  # noqa: N815 (as programs read it)
        required=False,
        help_text="as in X-Request-ID, and in the log of the service",
    )


class RootSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    links = serializers.DictField(child=serializers.CharField())
