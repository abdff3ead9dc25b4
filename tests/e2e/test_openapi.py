"""What real processes answer is what the OpenAPI schema says."""

import pytest

from tests.tasks.api.openapi import operation_of, what_is_wrong

pytestmark = pytest.mark.e2e
LOGS = (
    *("logs", "logs?before=3", "logs/matches?q=o", "logs/landmarks", "logs/summary"),
    "logs.txt",
)


def ask(service, method, path, **options):
    """An answer, which is as the schema says."""
    response = service.request(method, path, **options)
    assert_it_is_true(response)
    return response


def assert_it_is_true(response):
    method, url = response.request.method, response.request.url
    path = "/" + url.split("/", 3)[3].partition("?")[0]
    assert operation_of(method, path), f"the schema has no {method} {path}"
    kind = response.headers.get("Content-Type", "")
    wrong = what_is_wrong(method, path, response.status_code, kind, response.content)
    assert wrong is None, f"{method} {path}: {wrong}"


@pytest.mark.parametrize(
    ("task_type", "params"),
    [
        ("like-full-sync", {"version": "v885"}),
        ("three-steps", {}),
        ("exit-code", {"code": "3"}),
        ("killed", {}),
        ("not-found", {}),
        ("flaky", {}),
    ],
)
def test_tasks_that_ran_are_as_the_schema_says(service, task_type, params):
    headers = {"Prefer": "wait=60"}
    made = ask(service, "POST", f"/api/tasks/{task_type}", json=params, headers=headers)
    assert made.status_code in {200, 202}, made.text
    path = f"/api/tasks/{made.json()['taskId']}"
    service.wait_for(made.json()["taskId"])
    logs = (f"/{log}" for log in LOGS)
    for end in ("", "/status", *logs, "/export.html", "/stream"):
        assert ask(service, "GET", path + end).status_code == 200
    for method, end, status in (
        ("PUT", "/pin", 200),
        ("DELETE", "/pin", 200),
        ("POST", "/cancel", 409),
        ("POST", "/rerun", 202),
        ("GET", "/stream?lastEventId=x", 400),
        ("GET", "/logs?limit=0", 400),
    ):
        assert ask(service, method, path + end).status_code == status


def test_what_there_is_and_how_it_is_is_as_the_schema_says(service):
    for path in (
        *("/api", "/api/tasks", "/api/tasks?limit=1&status=completed,failed"),
        *("/api/task-types", "/api/releases", "/api/releases/ios/history"),
        *("/api/versions", "/health", "/metrics"),
    ):
        assert ask(service, "GET", path).status_code == 200
    nobody = "/api/tasks/00000000-0000-4000-8000-000000000000"
    unknown = "/api/releases/none/history"
    for path in (nobody, f"{nobody}/stream", f"{nobody}/logs.txt", unknown):
        assert ask(service, "GET", path).status_code == 404
    changes = "/api/releases/ios/changes"
    for query, status in (("", 400), ("?to=..", 404)):
        assert ask(service, "GET", changes + query).status_code == status
    wrong = {"X-API-Key": "wrong"}
    assert ask(service, "GET", f"/api/streams?source={nobody[11:]}").status_code == 200
    assert ask(service, "GET", "/api/streams?source=x").status_code == 400
    for path in ("/api/events", "/api/streams", "/api/tasks", f"{nobody}/stream"):
        assert ask(service, "GET", path, headers=wrong).status_code == 401


def test_an_address_that_is_refused_gets_a_problem_as_the_schema_says(new_service):
    service = new_service(IP_ALLOWLIST="10.0.0.0/8").run()
    assert ask(service, "GET", "/api/tasks").status_code == 403
