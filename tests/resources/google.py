"""How a client is told of a Google server, and what makes one of Moto's S3.

Google's XML API is Amazon's but for the names of headers, for generations, which take
the place of ETags in conditions, and for the answer to deleting what isn't there.
Source: https://docs.cloud.google.com/storage/docs/xml-api/reference-headers
"""

import json
import threading
from itertools import count
from typing import NamedTuple

from tests.resources.faulty_proxy import forward_to

scheme = "gs"

# Moto looks no closer at it.
S3_CREDENTIALS = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"


def environment(endpoint):
    account = {"disable_oauth": True, "client_email": "", "private_key": ""}
    return {
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account | {"private_key_id": ""}),
        "GOOGLE_BASE_URL": endpoint,
    }


class State(NamedTuple):
    """What an object is at a time; each one that is written has its own generation."""

    generation: int
    etag: str


class Google:
    """Asks an S3 server at HOST:PORT what was asked of Google's."""

    def __init__(self, upstream):
        self._forward = forward_to(upstream)
        self._states = {}
        self._generations = count(1_700_000_000_000_000)  # microseconds at Google
        self._lock = threading.Lock()

    def forward(self, method, path, headers, body):
        """Give status, headers and content of the answer."""
        if method == "DELETE" and self._ask("HEAD", path, {}, b"")[0] == 404:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        asked = {name.lower(): value for name, value in headers.items()}
        status, answered, content = self._ask(
            method, path, self._to_server(path, asked), body
        )
        etag = next((answered[key] for key in answered if key.lower() == "etag"), None)
        if etag is not None and status < 300:
            state = self._state(path, etag, is_new=method == "PUT")
            answered["x-goog-generation"] = str(state.generation)
        return status, answered, content

    def _to_server(self, path, headers):
        headers.pop("authorization", None)
        if source := headers.pop("x-goog-copy-source", None):
            headers["x-amz-copy-source"] = source
        generation = headers.pop("x-goog-if-generation-match", None)
        if generation == "0":
            headers["if-none-match"] = "*"
        elif generation is not None:
            state = self._states.get(path)
            is_known = state is not None and str(state.generation) == generation
            headers["if-match"] = state.etag if is_known else '"another"'
        return headers

    def _state(self, path, etag, *, is_new):
        with self._lock:
            state = self._states.get(path)
            if state is None or is_new or state.etag != etag:
                state = self._states[path] = State(next(self._generations), etag)
            return state

    def _ask(self, method, path, headers, body):
        signed = {**headers, "authorization": S3_CREDENTIALS}
        return self._forward(method, path, signed, body)
