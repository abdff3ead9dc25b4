"""The shapes of a log's answers, for the OpenAPI schema."""

from typing import Any

from rest_framework import serializers

from tasks.api.serializers import LogLineSerializer


class LogPageSerializer(serializers.Serializer[Any]):
    logs = LogLineSerializer(many=True)
    next = serializers.IntegerField(
        allow_null=True, help_text="the next page's “after”; null on the last page"
    )
    previous = serializers.IntegerField(
        allow_null=True,
        help_text="where only “before” was given, that of the page before; null on "
        "the first page",
    )


class LogMatchesSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(min_value=0, help_text="lines in these ranges")
    ranges = serializers.ListField(
        child=serializers.ListField(
            child=serializers.IntegerField(min_value=1), min_length=2, max_length=2
        ),
        help_text="first and last seq of lines in a row that match",
    )
    through = serializers.IntegerField(min_value=0, help_text="looked at up to here")
    next = serializers.IntegerField(
        allow_null=True, help_text="where to look on (“after”); null at the end"
    )


class LogStepSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(min_value=1)
    name = serializers.CharField(allow_blank=True)
    attempt = serializers.IntegerField(min_value=1)
    exitCode = serializers.IntegerField(  # noqa: N815
        allow_null=True, help_text="null while it runs, or where nobody knows"
    )
    durationMs = serializers.IntegerField(  # noqa: N815
        allow_null=True, help_text="null until the task has ended"
    )
    hasEnded = serializers.BooleanField()  # noqa: N815


class LandmarkSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField(min_value=1)
    timestamp = serializers.CharField()
    kind = serializers.ChoiceField(["step", "group", "endgroup", "error"])
    message = serializers.CharField(help_text="at most 300 characters of it")
    step = LogStepSerializer(
        allow_null=True, help_text="the step that begins; null for any other kind"
    )


class LogSampleSerializer(serializers.Serializer[Any]):
    seq = serializers.IntegerField(min_value=1)
    timestamp = serializers.CharField()


class LogSummarySerializer(serializers.Serializer[Any]):
    logCount = serializers.IntegerField(min_value=0)  # noqa: N815
    logSha256 = serializers.CharField(  # noqa: N815
        allow_null=True,
        help_text="of the messages in UTF-8, each followed by a line feed; null until "
        "the task has ended",
    )
    samples = LogSampleSerializer(
        many=True, help_text="lines spread evenly over the log, the first and the last"
    )


class LandmarksSerializer(serializers.Serializer[Any]):
    landmarks = LandmarkSerializer(many=True)
    through = serializers.IntegerField(min_value=0, help_text="looked at up to here")
    next = serializers.IntegerField(
        allow_null=True, help_text="where to look on (“after”); null at the end"
    )
