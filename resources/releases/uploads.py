"""Uploads in parts that were begun and never ended.

A killed sync leaves some in a bucket: nobody sees them, and they cost money. The
library that does all else can't list them.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree as ET

from resources.errors import InputError, StoreError
from resources.platforms import all_platforms
from resources.report import Report, counted
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.signed import SignedRequests
from resources.stores.release_store import ReleaseStore

MAX_NAMED = 20  # in lines; the rest is counted


class Upload(NamedTuple):
    """An unfinished upload: the object's key, its id, and when it was begun."""

    key: str
    upload_id: str
    begun: str


class Uploads:
    """The unfinished uploads beneath a prefix of a bucket at S3 or its likes.

    Raises InputError where they can't be listed, saying what helps instead.
    """

    def __init__(
        self, location: ObjectLocation, environment: Mapping[str, str]
    ) -> None:
        if not location.url.startswith("s3://"):
            raise InputError(
                f"unfinished uploads of {location.url} can't be listed; Azure deletes"
                " them after a week, Google by a lifecycle rule"
                " (AbortIncompleteMultipartUpload)"
            )
        self._requests = SignedRequests(location, environment)
        if not self._requests.can_sign:
            raise InputError(
                f"unfinished uploads of {location.url} can be listed with"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only; for a role, let the"
                " bucket delete them by a lifecycle rule (docs/how-to/stores.md)"
            )
        self.name = location.url
        self._prefix = location.url.removeprefix("s3://").partition("/")[2] + "/"

    def found(self) -> Iterator[Upload]:
        """Yield them, in the order of their keys."""
        query = {"uploads": "", "prefix": self._prefix}
        while True:
            answer = self._listed(query)
            for item in answer.iterfind("{*}Upload"):
                yield Upload(
                    item.findtext("{*}Key", ""),
                    item.findtext("{*}UploadId", ""),
                    item.findtext("{*}Initiated", "")[:19],
                )
            if answer.findtext("{*}IsTruncated") != "true":
                return
            query |= {
                "key-marker": answer.findtext("{*}NextKeyMarker", ""),
                "upload-id-marker": answer.findtext("{*}NextUploadIdMarker", ""),
            }

    def remove(self, upload: Upload) -> None:
        """Give an upload up; it is no error when it is gone already."""
        self._ask("DELETE", upload.key, {"uploadId": upload.upload_id})

    def _listed(self, query: Mapping[str, str]) -> ET.Element:
        try:
            return ET.fromstring(self._ask("GET", "", query))  # noqa: S314 - our server
        except ET.ParseError:
            raise StoreError(f"{self.name}: the list of uploads is no XML") from None

    def _ask(self, method: str, key: str, query: Mapping[str, str]) -> bytes:
        try:
            answer = self._requests.ask(method, key, query)
            reason = f"{answer.status} {answer.reason}"
            is_gone = method == "DELETE" and answer.status == 404
            if answer.status < 300 or is_gone:
                return answer.content
        except StoreError as error:
            reason = str(error)
        what = "list" if method == "GET" else "remove"
        raise StoreError(f"cannot {what} unfinished uploads in {self.name}: {reason}")


def prune_uploads(
    platform: str,
    store: ReleaseStore,
    uploads: Uploads | None,
    report: Report,
    *,
    dry_run: bool,
) -> None:
    """List the unfinished uploads of a platform's store, and remove them.

    ``uploads`` is None for a folder, where the lock alone clears what is unfinished.
    Raises ConflictError when a publisher is at work, whose own uploads these may be.
    """
    named = all_platforms()[platform]
    found = [] if uploads is None else list(uploads.found())
    if not found or uploads is None:
        report.count(platform, "uploadsRemoved", 0)
        report.line(f"Nothing to do: {named} has no unfinished uploads.")
        return
    for upload in found[:MAX_NAMED]:
        report.line(f"UNFINISHED {upload.key}: begun {upload.begun}")
    if len(found) > MAX_NAMED:
        report.line(f"... and {len(found) - MAX_NAMED} more")
    if dry_run:
        report.line(f"{named} has {counted(len(found), 'unfinished upload')}.")
        return
    with store.lock():
        for upload in found:
            uploads.remove(upload)
    report.count(platform, "uploadsRemoved", len(found))
    report.line(f"Removed {counted(len(found), 'unfinished upload')} of {named}.")
