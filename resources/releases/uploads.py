"""Uploads in parts that were begun and never ended.

A killed sync leaves some in a bucket: nobody sees them, and they cost money. The
library that does all else can't list them, so these two requests are signed here.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
and https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from resources.errors import InputError, StoreError
from resources.platforms import all_platforms
from resources.report import Report, counted
from resources.stores.bucket.location import ObjectLocation, endpoint_of
from resources.stores.release_store import ReleaseStore

TIMEOUT_SECONDS = 60.0
MAX_NAMED = 20  # in lines; the rest is counted
MAX_ANSWER_BYTES = 16_000_000  # of at most 1,000 uploads


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
        self._key_id = environment.get("AWS_ACCESS_KEY_ID", "")
        self._secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
        self._token = environment.get("AWS_SESSION_TOKEN", "")
        if not (self._key_id and self._secret):
            raise InputError(
                f"unfinished uploads of {location.url} can be listed with"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only; for a role, let the"
                " bucket delete them by a lifecycle rule (docs/how-to/stores.md)"
            )
        self.name = location.url
        self._region = (
            environment.get("AWS_REGION")
            or environment.get("AWS_DEFAULT_REGION")
            or "us-east-1"
        )
        bucket, _, prefix = location.url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/"
        self._endpoint = endpoint_of(location.url, environment).rstrip("/") or (
            f"https://s3.{self._region}.amazonaws.com"
        )
        self._bucket = bucket

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
        path = quote(f"/{self._bucket}/{key}".rstrip("/"), safe="/-_.~")
        base = urlsplit(self._endpoint)
        path = base.path + path
        text = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in sorted(query.items())
        )
        request = urllib.request.Request(  # noqa: S310 - read_location looked at it
            f"{base.scheme}://{base.netloc}{path}?{text}",
            method=method,
            headers=self._signed(method, base.netloc, path, text),
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
                return bytes(answer.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            if method == "DELETE" and error.code == 404:
                return b""
            reason = f"{error.code} {error.reason}"
        except OSError as error:
            reason = str(getattr(error, "reason", error))
        what = "list" if method == "GET" else "remove"
        raise StoreError(f"cannot {what} unfinished uploads in {self.name}: {reason}")

    def _signed(self, method: str, host: str, path: str, query: str) -> dict[str, str]:
        now = datetime.now(UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        content = hashlib.sha256(b"").hexdigest()
        headers = {"host": host, "x-amz-content-sha256": content, "x-amz-date": stamp}
        if self._token:
            headers["x-amz-security-token"] = self._token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        asked = "\n".join([method, path, query, lines, names, content])
        scope = f"{day}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(asked.encode()).hexdigest()
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
        key = f"AWS4{self._secret}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope},"
            f" SignedHeaders={names}, Signature={signature}"
        )
        return headers


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
