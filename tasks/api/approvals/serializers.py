"""Approvals as the API's schema has them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tasks.models import Approval

JSON_OBJECT = {"type": "object", "additionalProperties": True}


@extend_schema_field(JSON_OBJECT)
class ObjectField(serializers.JSONField):
    """Any JSON object."""


class ApprovalWantedSerializer(serializers.Serializer[Any]):
    by = serializers.ListField(
        child=serializers.CharField(), help_text="the groups whose people decide"
    )
    notSelf = serializers.BooleanField()  # noqa: N815
    timeoutSeconds = serializers.FloatField(allow_null=True)  # noqa: N815
    message = serializers.CharField(allow_blank=True)
    releaseLock = serializers.BooleanField(  # noqa: N815
        help_text="whether others may take the task's lock while it waits"
    )


class ApprovalResultSerializer(serializers.Serializer[Any]):
    decidedBy = serializers.CharField()  # noqa: N815
    comment = serializers.CharField(allow_blank=True)
    approvedSha256 = serializers.CharField()  # noqa: N815


class ApprovalStepSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(min_value=1)
    name = serializers.CharField()


class ApprovalSerializer(serializers.Serializer[Any]):
    step = ApprovalStepSerializer(help_text="that asks")
    message = serializers.CharField(allow_blank=True, help_text="what it says")
    by = serializers.ListField(
        child=serializers.CharField(), help_text="the groups whose people decide"
    )
    notSelf = serializers.BooleanField(  # noqa: N815
        help_text="whether who started the task must not decide"
    )
    askedAt = serializers.DateTimeField()  # noqa: N815
    askedBy = serializers.CharField(help_text="who started the task")  # noqa: N815
    expiresAt = serializers.DateTimeField(  # noqa: N815
        allow_null=True, help_text="when the task ends as failed, if nobody has decided"
    )
    approvedSha256 = serializers.CharField(  # noqa: N815
        help_text="of the definition, the parameters, and the results, the outputs and "
        "the summary so far: what is approved"
    )
    decision = serializers.ChoiceField(Approval.Decision.values, allow_null=True)
    decidedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    decidedBy = serializers.CharField(allow_null=True)  # noqa: N815
    comment = serializers.CharField(allow_null=True)
    result = ObjectField(
        allow_null=True,
        help_text="while it is awaited: what the steps have come to so far, as in the "
        "task's `result`; null in lists and events",
    )
