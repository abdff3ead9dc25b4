"""``/api/webhooks``: who may make them, what is refused, and what is never shown."""

import ipaddress
import json

import pytest
from django.test import Client

from tasks.models import AuditEvent, Webhook, WebhookDelivery
from tests.factories import ApiKeyFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
JSON = "application/json"
TOKEN = "b1946ac92492d2347c6235b4d2611184"
CHAT = f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}"
HOOK = f"https://hooks.example.com/release?token={TOKEN}&from=sync"


def make(client, **given):
    body = {"url": HOOK, **given}
    return client.post("/api/webhooks", json.dumps(body), content_type=JSON)


@pytest.fixture
def made(program):
    return make(program).json()


def test_one_is_made_and_its_secret_is_said_once(program):
    response = make(program, events=["task.failed"], types=["sync-*"], name="ci")
    assert response.status_code == 201
    told = response.json()
    secret = told.pop("secret")
    assert secret.startswith("whsec_")
    assert told["events"] == ["task.failed"]
    assert told["types"] == ["sync-*"]
    assert (told["format"], told["language"]) == ("standard", "en")
    assert told["state"] == "active"
    assert program.get("/api/webhooks").json() == {"webhooks": [told]}
    assert program.get(f"/api/webhooks/{told['id']}").json() == told


def test_without_events_it_is_told_of_all(made):
    assert (made["events"], made["types"]) == (["*"], [])


def test_what_is_secret_is_shown_nowhere_and_stored_sealed(program, made):
    chat = make(program, url=CHAT, format="feishu", secret="a-secret-of-feishu").json()
    assert chat["url"] == "https://open.feishu.cn/***"
    assert chat["secret"] is None
    assert made["url"] == "https://hooks.example.com/release?token=***&from=***"
    answers = [program.get("/api/webhooks").text]
    answers += [program.get(f"/api/webhooks/{one['id']}").text for one in (made, chat)]
    rows = [*Webhook.objects.values(), *AuditEvent.objects.values()]
    for text in [*answers, json.dumps(rows, default=str)]:
        assert TOKEN not in text
        assert "a-secret-of-feishu" not in text
        assert made["secret"] not in text


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"url": "ftp://example.com/"}, "url", "begins with https://"),
        ({"url": 7}, "url", "a string"),
        ({"url": None}, "url", "a string"),
        ({"url": "https://a:b@example.com/"}, "url", "no name and password"),
        ({"url": "http://127.0.0.1:9/"}, "url", "a private or reserved address"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url", "WEBHOOK_ALLOW"),
        ({"url": "http://localhost/"}, "url", "localhost is"),
        ({"url": "https://example.com/" + "x" * 2_000}, "url", "2000"),
        ({"events": []}, "events", "task.failed"),
        ({"events": "task.failed"}, "events", "Must be a list"),
        ({"events": ["task.finished"]}, "events", "task.completed"),
        ({"events": [7]}, "events", "Must be a list"),
        ({"events": ["*"] * 101}, "events", "Must be a list"),
        ({"types": ["Sync Me"]}, "types", "sync-*"),
        ({"types": {}}, "types", "Must be a list"),
        ({"format": "teams"}, "format", "standard, slack, feishu, dingtalk, wecom"),
        ({"format": ["slack"]}, "format", "standard"),
        ({"language": "fr"}, "language", "en, zh-hans"),
        ({"name": "x" * 101}, "name", "100"),
        ({"name": "a\nb"}, "name", "one line"),
        ({"secret": "mine"}, "secret", "Feishu and DingTalk"),
        ({"secret": 7, "format": "feishu"}, "secret", "a string"),
        ({"method": "PUT"}, "method", "url, events"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(program, given, name, words):
    problem = problem_of(make(program, **given), 400)
    assert words in problem["errors"][name][0]
    assert not Webhook.objects.exists()


def test_a_body_without_a_url_is_refused(program):
    response = program.post("/api/webhooks", "{}", content_type=JSON)
    assert "url" in problem_of(response, 400)["errors"]


def test_a_private_address_is_taken_where_the_setting_names_it(program, settings):
    settings.WEBHOOK_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]
    assert make(program, url="http://127.0.0.1:9/").status_code == 201


def test_a_name_that_nobody_knows_now_is_taken(program):
    response = make(program, url="https://no-such-host.invalid/x")
    assert response.status_code == 201


def test_there_is_an_end_to_how_many_there_are(program, made, monkeypatch):
    monkeypatch.setattr("tasks.notify.acts.MOST_WEBHOOKS", 1)
    assert "delete some" in problem_of(make(program), 400)["errors"]["url"][0]


def test_one_is_deleted_with_what_waits(program, made):
    path = f"/api/webhooks/{made['id']}"
    assert program.post(f"{path}/test").status_code == 202
    assert program.delete(path).status_code == 204
    assert not WebhookDelivery.objects.exists()
    problem = problem_of(program.delete(path), 404)
    assert problem["type"] == "urn:resource-sync:problem:no-such-webhook"


def test_one_is_disabled_and_enabled(program, made):
    path = f"/api/webhooks/{made['id']}"
    program.post(f"{path}/test")
    told = program.post(f"{path}/disable").json()
    assert told["state"] == "disabled"
    assert told["disabledReason"]["message"].startswith("Disabled by ")
    assert WebhookDelivery.objects.get().state == "failed"
    assert "webhook" in problem_of(program.post(f"{path}/test"), 400)["errors"]
    assert program.post(f"{path}/enable").json()["state"] == "active"
    assert program.post(f"{path}/enable").json()["disabledReason"] is None


def test_deliveries_are_listed_by_pages_newest_first(program, made):
    path = f"/api/webhooks/{made['id']}"
    sent = [program.post(f"{path}/test").json()["id"] for _ in range(3)]
    first = program.get(f"{path}/deliveries?limit=2").json()
    assert [one["id"] for one in first["deliveries"]] == sent[:0:-1]
    second = program.get(f"{path}/deliveries?before={first['next']}").json()
    assert [one["id"] for one in second["deliveries"]] == sent[:1]
    assert second["next"] is None
    one = second["deliveries"][0]
    assert (one["event"], one["state"]) == ("webhook.test", "waiting")
    problem_of(program.get(f"{path}/deliveries?limit=0"), 400)


def test_what_was_attempted_is_told_with_its_reason(program, made):
    path = f"/api/webhooks/{made['id']}"
    number = program.post(f"{path}/test").json()["id"]
    attempt = {"at": "2026-11-30T02:00:00.000Z", "durationMs": 3, "status": 500}
    error = {"code": "webhook-status", "params": {"status": 500}}
    attempt |= {"error": error, "note": None, "answer": "no"}
    WebhookDelivery.objects.update(
        attempts=[attempt], state="failed", next_at=None, ended_at=attempt["at"]
    )
    [told] = program.get(f"{path}/deliveries").json()["deliveries"]
    message = told["attempts"][0]["error"]["message"]
    assert message == "It was answered with status 500."
    again = program.post(f"{path}/deliveries/{number}/resend")
    assert again.status_code == 202
    assert again.json()["state"] == "waiting"
    assert again.json()["messageId"] == told["messageId"]
    problem_of(program.post(f"{path}/deliveries/{number + 1}/resend"), 404)


@pytest.mark.parametrize("path", ["x", "0b1c2d3e-0000-4000-8000-000000000000"])
def test_what_is_not_there_is_not_found(program, path):
    problem_of(program.get(f"/api/webhooks/{path}"), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("post", ""),
        ("get", "/{id}"),
        ("delete", "/{id}"),
        ("post", "/{id}/enable"),
        ("post", "/{id}/disable"),
        ("post", "/{id}/test"),
        ("get", "/{id}/deliveries"),
        ("post", "/{id}/deliveries/1/resend"),
    ],
)
@pytest.mark.parametrize("scope", ["read", "start", "cancel", "approve"])
def test_each_takes_admin(made, method, path, scope):
    key = ApiKeyFactory(name="small", scope=scope)
    client = Client(headers={"X-API-Key": key.secret})
    response = getattr(client, method)(f"/api/webhooks{path.format(**made)}")
    problem_of(response, 403)
    assert Webhook.objects.filter(disabled_at=None).count() == 1
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_people_take_the_group_admin(person, made, group):
    problem_of(person(group).get("/api/webhooks"), 403)
    assert person("admin").get("/api/webhooks").status_code == 200


def test_each_act_is_in_the_audit_trail(program, made):
    path = f"/api/webhooks/{made['id']}"
    number = program.post(f"{path}/test").json()["id"]
    program.post(f"{path}/disable")
    program.post(f"{path}/enable")
    program.post(f"{path}/deliveries/{number}/resend")
    program.delete(path)
    events = list(AuditEvent.objects.order_by("pk"))
    assert [event.action for event in events] == [
        "webhook.create",
        "webhook.test",
        "webhook.disable",
        "webhook.enable",
        "webhook.resend",
        "webhook.delete",
    ]
    assert {event.target for event in events} == {made["id"]}
    assert events[0].details["after"]["url"] == made["url"]
    assert events[-1].details["before"]["format"] == "standard"
