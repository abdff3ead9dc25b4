"""GET /api, /api/schema and /api/docs: the API about itself."""

import re

import pytest
import yaml
from drf_spectacular.validation import validate_schema

from tasks.models import Task

pytestmark = pytest.mark.django_db


# --- /api ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api", "/api/"])
@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_a_program_gets_links_to_everything(stranger, path, accept):
    response = stranger.get(path, headers={"Accept": accept} if accept else {})
    assert response["Content-Type"] == "application/json"
    assert "Accept" in response["Vary"]
    links = response.json()["links"]
    assert links["taskTypes"] == "http://testserver/api/task-types"
    for name in ("schema", "docs", "taskTypes", "tasks", "health", "metrics"):
        status = stranger.get(links[name].removeprefix("http://testserver")).status_code
        assert status in {200, 401, 503}, name


def test_a_browser_gets_a_page(stranger):
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = stranger.get("/api", headers={"Accept": accept})
    assert response["Content-Type"].startswith("text/html")
    assert 'href="http://testserver/api/docs"' in response.content.decode()


# --- /api/schema --------------------------------------------------------------------


@pytest.fixture
def schema(stranger):
    return stranger.get("/api/schema").json()


def test_the_schema_is_valid_openapi_3(schema):
    validate_schema(schema)
    assert schema["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json"),
        ("application/vnd.oai.openapi", "application/vnd.oai.openapi"),
        ("application/yaml", "application/yaml"),
        ("image/png", "application/json"),
    ],
)
def test_the_schema_comes_as_json_or_yaml(stranger, accept, kind):
    response = stranger.get("/api/schema", headers={"Accept": accept})
    assert response["Content-Type"].partition(";")[0] == kind
    assert "/api/tasks" in yaml.safe_load(response.content)["paths"]


def operations(schema):
    return {
        f"{method.upper()} {re.sub('{.*?}', '{}', path)}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_schema_has_every_endpoint(schema):
    assert set(operations(schema)) == {
        "GET /api",
        "GET /client",
        "GET /client.sha256",
        "POST /api/tasks/{}/share",
        "GET /api/tasks/{}/shares",
        "DELETE /api/shares/{}",
        "GET /api/events",
        "GET /api/freezes",
        "POST /api/freezes",
        "DELETE /api/freezes/{}",
        "GET /api/queue",
        "POST /api/queue/pause",
        "POST /api/queue/resume",
        "GET /api/releases",
        "GET /api/releases/{}/history",
        "GET /api/releases/{}/changes",
        "GET /api/streams",
        "GET /api/task-types",
        "GET /api/webhooks",
        "POST /api/webhooks",
        "GET /api/webhooks/{}",
        "DELETE /api/webhooks/{}",
        "POST /api/webhooks/{}/enable",
        "POST /api/webhooks/{}/disable",
        "POST /api/webhooks/{}/test",
        "GET /api/webhooks/{}/deliveries",
        "POST /api/webhooks/{}/deliveries/{}/resend",
        "GET /api/tasks",
        "POST /api/tasks/{}",
        "GET /api/tasks/{}",
        "GET /api/tasks/{}/status",
        "GET /api/tasks/{}/stream",
        "GET /api/tasks/{}/export.html",
        "GET /api/tasks/{}/logs",
        "GET /api/tasks/{}/logs.txt",
        "GET /api/tasks/{}/logs/matches",
        "GET /api/tasks/{}/logs/landmarks",
        "GET /api/tasks/{}/logs/summary",
        "POST /api/tasks/{}/cancel",
        "POST /api/tasks/{}/rerun",
        "POST /api/tasks/{}/approve",
        "POST /api/tasks/{}/reject",
        "PUT /api/tasks/{}/pin",
        "DELETE /api/tasks/{}/pin",
        "GET /api/schedules",
        "GET /api/schedules/{}",
        "POST /api/schedules/{}/pause",
        "POST /api/schedules/{}/resume",
        "POST /api/schedules/{}/run-now",
        "GET /api/tasks/{}/log",
        "GET /api/versions",
        "GET /health",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "POST /api/tasks/cancel",
        "POST /api/tasks/rerun",
    }


def test_the_schema_has_the_problems_of_every_endpoint(schema):
    create = operations(schema)["POST /api/tasks/{}"]["responses"]
    for status in (400, 401, 403, 404, 413, 415, 422, 429, 503):
        content = create[str(status)]["content"]["application/problem+json"]
        assert content["schema"]["$ref"].endswith("/Problem")
    assert "Retry-After" in create["429"]["headers"]
    assert "WWW-Authenticate" in create["401"]["headers"]
    assert {"Location", "Preference-Applied"} <= set(create["202"]["headers"])
    cancel = operations(schema)["POST /api/tasks/{}/cancel"]["responses"]
    assert "409" in cancel


def test_the_schema_has_the_ways_to_come_in(schema):
    schemes = schema["components"]["securitySchemes"]
    key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    bearer = {"type": "http", "scheme": "bearer"}
    for name, way in (("apiKey", key), ("bearer", bearer)):
        assert "scope" in schemes[name].pop("description")
        assert schemes[name] == way
    assert schemes["session"]["in"] == "cookie"
    # Each alone: names in one object would be asked for together.
    wanted = operations(schema)["GET /api/tasks"]["security"]
    assert wanted == [{"apiKey": []}, {"bearer": []}, {"session": []}]
    assert "security" not in operations(schema)["GET /health"] or not any(
        operations(schema)["GET /health"]["security"]
    )


def test_the_schema_says_which_scope_a_key_needs(schema):
    said = {
        name: re.findall(r"Scope of a key: (.*)\.", operation.get("description", ""))
        for name, operation in operations(schema).items()
    }
    assert said["GET /api/tasks"] == ["`read`"]
    assert said["POST /api/tasks/{}"] == ["`start`; `admin` for types with `confirm`"]
    own_or_any = ["`start` for tasks that it started; `admin` for others"]
    assert said["POST /api/tasks/{}/cancel"] == own_or_any
    assert said["GET /health"] == []


def test_the_schema_takes_what_the_api_takes_and_refuses_what_it_refuses(schema):
    def parameter(operation, name):
        found = operations(schema)[operation]["parameters"]
        return next(one for one in found if one["name"] == name)

    status = parameter("GET /api/tasks", "status")
    assert status["schema"]["items"]["enum"] == Task.Status.values
    assert status["explode"] is False
    for name in ("after", "before"):
        found = parameter("GET /api/tasks/{}/logs", name)["schema"]
        assert found["maximum"] == 2**53 - 1
    key = parameter("POST /api/tasks/{}", "Idempotency-Key")["schema"]
    assert re.fullmatch(key["pattern"], "build 42")
    assert not re.fullmatch(key["pattern"], "schlüssel")
    for action in ("cancel", "rerun"):
        body = operations(schema)[f"POST /api/tasks/{{}}/{action}"]["requestBody"]
        content = body["content"]["application/json"]["schema"]
        assert content["additionalProperties"] is False


def test_a_list_of_tasks_is_one_object(schema):
    answer = operations(schema)["GET /api/tasks"]["responses"]["200"]
    content = answer["content"]["application/json"]["schema"]
    assert content == {"$ref": "#/components/schemas/TaskList"}


def test_the_schema_has_the_stream(schema):
    stream = operations(schema)["GET /api/tasks/{}/stream"]
    assert set(stream["responses"]["200"]["content"]) == {"text/event-stream"}
    assert "204" in stream["responses"]
    names = {parameter["name"] for parameter in stream["parameters"]}
    assert {"id", "Last-Event-ID", "lastEventId", "tail", "token"} <= names


def test_the_schema_and_a_task_have_the_same_keys(schema, program):
    response = program.post(
        "/api/tasks/check-integrity",
        {"version": "v885"},
        content_type="application/json",
    )
    components = schema["components"]["schemas"]
    assert set(components["TaskStarted"]["properties"]) == set(response.json())
    task = program.get("/api/tasks").json()["tasks"][0]
    assert set(components["Task"]["properties"]) == set(task)
    assert set(components["Task"]["required"]) == set(task)


# --- /api/docs ----------------------------------------------------------------------


def test_the_docs_load_nothing_from_elsewhere_and_run_no_inline_script(stranger):
    response = stranger.get("/api/docs")
    assert response.status_code == 200
    page = response.content.decode()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    policy = response["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "style-src 'self' 'unsafe-inline'" in policy


def test_the_docs_scripts_are_there(stranger):
    script = stranger.get("/api/docs?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema" in script.content.decode()
