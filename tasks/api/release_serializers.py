"""The shapes of what a version changes, which the engine makes, of what was live when,
and of the versions that there are, for the OpenAPI schema."""

# ruff: noqa: N815 (the API's names)

from typing import Any

from rest_framework import serializers


class AmountSerializer(serializers.Serializer[Any]):
    files = serializers.IntegerField(min_value=0)
    bytes = serializers.IntegerField(min_value=0)


class ComparedVersionSerializer(AmountSerializer):
    version = serializers.CharField()
    manifestSha256 = serializers.CharField()


class NewVersionSerializer(ComparedVersionSerializer):
    stored = serializers.BooleanField(
        help_text="it lies in the store; false: in the source only"
    )


class ByKindSerializer(serializers.Serializer[Any]):
    added = AmountSerializer(help_text="paths that only the new version has")
    changed = AmountSerializer(help_text="paths with other content in the old version")
    moved = AmountSerializer(
        help_text="paths that only the new version has, with content that the old one "
        "has under another path"
    )
    removed = AmountSerializer(
        help_text="paths that only the old version has, and whose content was not moved"
    )


class ChangedFolderSerializer(ByKindSerializer):
    folder = serializers.CharField(
        allow_blank=True, help_text="empty for files in no folder"
    )


class ChangedFileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.ChoiceField(["added", "changed", "moved"])
    bytes = serializers.IntegerField(min_value=0)
    before = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="bytes that a changed file had"
    )


class PlayerDownloadSerializer(AmountSerializer):
    """By path: files that the player's version doesn't have under the same path with
    the same content."""

    version = serializers.CharField(help_text="what the player has")
    newContentBytes = serializers.IntegerField(
        min_value=0,
        help_text="for a client that knows files by their content: each content that "
        "the player's version has nowhere, once",
    )


class SyncPlanSerializer(serializers.Serializer[Any]):
    newFiles = serializers.IntegerField(min_value=0)
    newBytes = serializers.IntegerField(min_value=0)
    reusedFiles = serializers.IntegerField(min_value=0)
    reusedBytes = serializers.IntegerField(min_value=0)
    reusedFrom = serializers.CharField(
        allow_blank=True, help_text="versions, the newest first"
    )
    movedFiles = serializers.IntegerField(
        min_value=0, help_text="of those reused, which lie under another path"
    )
    doubledFiles = serializers.IntegerField(
        min_value=0, help_text="with a content that another new file has: sent once"
    )
    doubledBytes = serializers.IntegerField(min_value=0)
    uploadBytes = serializers.IntegerField(
        min_value=0, help_text="of new files that don't lie in the store yet"
    )


class GuardSerializer(serializers.Serializer[Any]):
    files = serializers.IntegerField(min_value=0, help_text="that are live and count")
    dropped = serializers.IntegerField(min_value=0)
    changed = serializers.IntegerField(min_value=0)
    percent = serializers.FloatField(help_text="the share dropped or changed")
    limitPercent = serializers.IntegerField(help_text="the limit without --guard")
    passes = serializers.BooleanField()


class ChangesSerializer(ByKindSerializer):
    platform = serializers.CharField()
    live = serializers.CharField(allow_null=True, help_text="what is live now")
    to = NewVersionSerializer()
    unchanged = AmountSerializer()
    folders = ChangedFolderSerializer(many=True, help_text="most bytes to get first")
    foldersOmitted = serializers.IntegerField(min_value=0, help_text="beyond the 50th")
    largest = ChangedFileSerializer(many=True, help_text="ten at most")
    download = PlayerDownloadSerializer(
        allow_null=True, help_text="of a player who has `from`"
    )
    playerBytes = PlayerDownloadSerializer(
        many=True,
        help_text="of players who have one of the last eight versions that were live",
    )
    plan = SyncPlanSerializer(
        allow_null=True, help_text="what a sync would do; null once it is stored"
    )
    guard = GuardSerializer(
        allow_null=True, help_text="null for what is live, and where nothing is"
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the one whose name is a word of Python."""
        old = ComparedVersionSerializer(
            allow_null=True, help_text="null where nothing was live before"
        )
        return {**super().get_fields(), "from": old}


class RolloutSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    percent = serializers.FloatField(help_text="of the channel's players get it")
    since = serializers.DateTimeField(help_text="when the first of them did")


class ReleaseSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    channel = serializers.CharField(help_text="`live`, or another one's name")
    version = serializers.CharField(allow_null=True, help_text="null: none yet")
    since = serializers.DateTimeField(
        allow_null=True, help_text="when it was published, or rolled back to"
    )
    previous = serializers.CharField(
        allow_null=True, help_text="the version that was served before"
    )
    taskId = serializers.CharField(
        allow_null=True, help_text="the task that published it; null: no task did"
    )
    manifestSha256 = serializers.CharField(allow_null=True)
    serial = serializers.IntegerField(
        allow_null=True, help_text="grows with each move of the channel's pointer"
    )
    rollout = RolloutSerializer(
        allow_null=True, help_text="the version that some of the players get already"
    )
    signedBy = serializers.CharField(
        allow_null=True,
        help_text="the trusted key that signed the pointer; null: none did",
    )
    files = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField(allow_null=True, help_text="of them all, in bytes")
    error = serializers.CharField(
        required=False, help_text="why the store could not be asked"
    )


class ReleasesSerializer(serializers.Serializer[Any]):
    releases = ReleaseSerializer(many=True)


class ReleaseSpanSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    channel = serializers.CharField(help_text="`live`, or the one that was asked for")
    live = serializers.BooleanField(help_text="it is served now")
    rollback = serializers.BooleanField(help_text="the version before it was newer")
    since = serializers.DateTimeField(
        allow_null=True, help_text="null: nobody wrote it down"
    )
    until = serializers.DateTimeField(
        allow_null=True, help_text="null where it is live, or nobody wrote it down"
    )
    previous = serializers.CharField(
        allow_null=True, help_text="the version that was served before"
    )
    taskId = serializers.CharField(
        allow_null=True, help_text="the task that published it; null: no task did"
    )
    manifestSha256 = serializers.CharField(allow_null=True)
    rollouts = RolloutSerializer(
        many=True,
        help_text="what some of the players got meanwhile, each as far as it went",
    )


class ReleaseHistorySerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    channel = serializers.CharField()
    history = ReleaseSpanSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    count = serializers.IntegerField(min_value=0)


class VersionSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    platform = serializers.CharField()
    builtAt = serializers.DateTimeField(
        allow_null=True,
        help_text="when its manifest in the source was written, or else its folder",
    )
    publishedAt = serializers.DateTimeField(
        allow_null=True, help_text="when it went live the last time, as far as known"
    )
    files = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="null where the manifest does not say"
    )
    bytes = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="of all files together"
    )
    inSource = serializers.BooleanField(
        allow_null=True, help_text="null: the source was not seen so far"
    )
    inStore = serializers.BooleanField(
        allow_null=True, help_text="whether all of it is; null as for inSource"
    )
    isLive = serializers.BooleanField(
        allow_null=True, help_text="null: the store was not seen"
    )


class VersionPlaceSerializer(serializers.Serializer[Any]):
    platform = serializers.CharField()
    place = serializers.ChoiceField(["source", "store"])
    older = serializers.IntegerField(
        min_value=0, help_text="older versions there, which are not listed"
    )
    error = serializers.CharField(
        allow_null=True, help_text="why it could not be asked; null where it was"
    )


class VersionsSerializer(serializers.Serializer[Any]):
    versions = VersionSerializer(many=True)
    places = VersionPlaceSerializer(many=True)
