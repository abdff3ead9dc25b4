"""What the tests of the API ask of every answer."""

import json
from http import HTTPStatus
from typing import Any


def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem details of an error answer, which has to be a whole one."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert set(body) - {"requestId"} == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["detail"]
    if body["type"] == "about:blank":
        assert body["title"] == HTTPStatus(status).phrase
    for inside in ("Traceback", "SELECT", 'File "'):
        assert inside not in response.content.decode()
    return body
