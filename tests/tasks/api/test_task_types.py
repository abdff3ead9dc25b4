"""GET /api/task-types."""

import jsonschema
import pytest

pytestmark = pytest.mark.django_db

CATALOG = """
[shown]
title = "Shown"
description = "Everybody sees it"
timeout = "90s"
confirm = true
labels = ["mac"]
[shown.params.version]
pattern = "v[0-9]+"
[shown.params.password]
secret = true
required = false
[[shown.steps]]
name = "Only step"
command = ["echo", "{version}"]

[unseen]
hidden = true
[[unseen.steps]]
command = ["true"]
"""


@pytest.fixture
def own_types(use_task_types):
    use_task_types(CATALOG)


def test_each_has_its_title_description_schema_and_steps(program, own_types):
    kind, _ = program.get("/api/task-types").json()["taskTypes"]
    schema = kind.pop("params")
    assert kind == {
        "type": "shown",
        "name": "shown",
        "title": "Shown",
        "description": "Everybody sees it",
        "steps": [{"name": "Only step"}],
        "timeoutSeconds": 90.0,
        "idempotent": False,
        "confirm": True,
        "allow": [],
        "labels": ["mac"],
        "hidden": False,
        "createUrl": "http://testserver/api/tasks/shown",
    }
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"version": "v885"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": "885"}, schema)


@pytest.mark.parametrize(
    ("suggest", "told"),
    [
        ("'versions'", {"versions": "any", "platforms": []}),
        ("{versions = 'store'}", {"versions": "store", "platforms": []}),
        (
            "{versions = 'source', platforms = ['ios', 'wechat']}",
            {"versions": "source", "platforms": ["ios", "wechat"]},
        ),
    ],
)
def test_a_parameter_has_its_example_and_what_to_offer(
    program, use_task_types, suggest, told
):
    use_task_types(
        f"[a]\n[a.params.v]\npattern = 'v[0-9]+'\nexample = 'v885'\n"
        f"suggest = {suggest}\n[a.params.other]\n[[a.steps]]\ncommand = ['true']\n"
    )
    (kind,) = program.get("/api/task-types").json()["taskTypes"]
    version, other = kind["params"]["properties"].values()
    assert (version["examples"], version["x-suggest"]) == (["v885"], told)
    assert not {"examples", "x-suggest"} & set(other)


def test_a_hidden_type_is_listed_as_such_and_can_be_started(program, own_types):
    _, kind = program.get("/api/task-types").json()["taskTypes"]
    assert (kind["type"], kind["hidden"]) == ("unseen", True)
    path = kind["createUrl"].removeprefix("http://testserver")
    response = program.post(path, {}, content_type="application/json")
    assert response.status_code == 202


def test_a_hidden_type_is_not_named_to_whoever_asks_for_an_unknown_one(
    program, own_types
):
    response = program.post("/api/tasks/x", {}, content_type="application/json")
    assert "shown" in response.json()["detail"]
    assert "unseen" not in response.json()["detail"]


def test_a_secret_parameter_is_never_shown_again(program, own_types):
    body = {"version": "v1", "password": "hunter2"}
    response = program.post("/api/tasks/shown", body, content_type="application/json")
    task_id = response.json()["id"]
    for answer in (
        response,
        program.get("/api/tasks"),
        program.get(f"/api/tasks/{task_id}"),
    ):
        assert "hunter2" not in answer.content.decode()
        assert "***" in answer.content.decode()


def test_the_built_in_types_are_there(program):
    names = {
        kind["type"] for kind in program.get("/api/task-types").json()["taskTypes"]
    }
    assert "check-integrity" in names


def test_the_default_of_a_secret_is_not_told(program, use_task_types):
    use_task_types(
        '[a]\n[a.params.token]\nsecret = true\ndefault = "d3fault"\n'
        '[[a.steps]]\ncommand = ["true"]\n'
    )
    (kind,) = program.get("/api/task-types").json()["taskTypes"]
    assert "default" not in kind["params"]["properties"]["token"]
    assert kind["params"]["required"] == []
    answer = program.post("/api/tasks/a", {}, content_type="application/json")
    assert answer.json()["params"] == {"token": "***"}
    assert "d3fault" not in program.get("/api/schema").content.decode()
