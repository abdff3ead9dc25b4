"""Requests to S3's likes that the library has no function for, signed here.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from resources.errors import StoreError
from resources.stores.bucket.location import ObjectLocation

TIMEOUT_SECONDS = 60.0
MAX_ANSWER_BYTES = 16_000_000  # a list of 1,000 is smaller


class Answer(NamedTuple):
    """What a server said: status, its words for it, and the body."""

    status: int
    reason: str
    content: bytes


class SignedRequests:
    """Asks the S3 server of a location, once for each request.

    Only with keys from the environment; ``can_sign`` says whether there are some.
    """

    def __init__(
        self, location: ObjectLocation, environment: Mapping[str, str]
    ) -> None:
        self._key_id = environment.get("AWS_ACCESS_KEY_ID", "")
        self._secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
        self._token = environment.get("AWS_SESSION_TOKEN", "")
        self._region = (
            environment.get("AWS_REGION")
            or environment.get("AWS_DEFAULT_REGION")
            or "us-east-1"
        )
        bucket = location.url.removeprefix("s3://").partition("/")[0]
        is_in_host = location.abilities.style == "virtual"
        amazon = f"s3.{self._region}.amazonaws.com"
        host = f"{bucket}.{amazon}" if is_in_host else amazon
        self._base = urlsplit(location.endpoint or f"https://{host}")
        self._above = self._base.path + ("" if is_in_host else f"/{bucket}")

    @property
    def can_sign(self) -> bool:
        """There are keys to sign with."""
        return bool(self._key_id and self._secret)

    def ask(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> Answer:
        """Return a server's answer to a request for a key of the bucket, whatever its
        status. Raises StoreError when there is none."""
        path = quote(f"{self._above}/{key}".rstrip("/") or "/", safe="/-_.~")
        text = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in sorted((query or {}).items())
        )
        request = urllib.request.Request(  # noqa: S310 - read_location looked at it
            f"{self._base.scheme}://{self._base.netloc}{path}?{text}",
            method=method,
            data=content or None,
            headers=self._signed(method, path, text, headers or {}, content),
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
                body = answer.read(MAX_ANSWER_BYTES)
                return Answer(answer.status, answer.reason, body)
        except urllib.error.HTTPError as error:
            with error:
                body = error.read(MAX_ANSWER_BYTES)
            return Answer(error.code, str(error.reason), body)
        except OSError as error:
            raise StoreError(str(getattr(error, "reason", error))) from None

    def _signed(
        self,
        method: str,
        path: str,
        query: str,
        more: Mapping[str, str],
        content: bytes,
    ) -> dict[str, str]:
        now = datetime.now(UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        digest = hashlib.sha256(content).hexdigest()
        headers = {
            **{name.lower(): value for name, value in more.items()},
            "host": self._base.netloc,
            "x-amz-content-sha256": digest,
            "x-amz-date": stamp,
        }
        if self._token:
            headers["x-amz-security-token"] = self._token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        asked = "\n".join([method, path, query, lines, names, digest])
        scope = f"{day}/{self._region}/s3/aws4_request"
        hashed = hashlib.sha256(asked.encode()).hexdigest()
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashed])
        key = f"AWS4{self._secret}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope},"
            f" SignedHeaders={names}, Signature={signature}"
        )
        return headers
