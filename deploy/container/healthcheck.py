"""Asks this container's web process whether it lives: exit code 0, or 1 and why not.
The image's HEALTHCHECK; Kubernetes asks ``/health/live`` itself."""

import http.client
import os
import sys

# An address that means "every one of mine" is none to ask.
LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (asked, not bound)
SECONDS = 4.0

host = os.environ.get("HOST", "127.0.0.1")
port = int(os.environ.get("PORT", "3000"))
connection = http.client.HTTPConnection(LOCAL.get(host, host), port, timeout=SECONDS)
try:
    connection.request("GET", "/health/live")
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"It does not answer: {error}")
if status != http.client.OK:
    sys.exit(f"It answers {status}.")
