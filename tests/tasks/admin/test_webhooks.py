"""Webhooks in the admin: made, tried, switched, deleted, and what was sent."""

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Webhook, WebhookDelivery
from tasks.notify.acts import make_webhook, send_test

pytestmark = pytest.mark.django_db
LIST, DELIVERIES = "/admin/tasks/webhook/", "/admin/tasks/webhookdelivery/"
TOKEN = "b1946ac92492d2347c6235b4d2611184"
URL = f"https://hooks.example.com/x?token={TOKEN}"
ALICE = Actor("alice")
FORM = {
    "name": "ci",
    "format": "standard",
    "url": URL,
    "events": ["task.failed", "runner.lost"],
    "types": "sync-*, full-sync",
    "language": "zh-hans",
    "secret": "",
}


@pytest.fixture
def made():
    return make_webhook({"url": URL, "name": "ci"}, ALICE).webhook


def act(client, action, *rows, path=LIST, **more):
    chosen = [str(row.pk) for row in rows]
    data = {"action": action, "_selected_action": chosen, **more}
    return client.post(path, data, follow=True)


def test_one_is_made_and_its_secret_is_shown_once(staff):
    page = staff.post(f"{LIST}add/", FORM).text
    [made] = Webhook.objects.all()
    assert 'id="new-secret">whsec_' in page
    assert made.types == ["sync-*", "full-sync"]
    assert made.events == ["task.failed", "runner.lost"]
    assert made.language == "zh-hans"
    assert AuditEvent.objects.get(action="webhook.create").actor == "alice"
    for path in (LIST, f"{LIST}{made.pk}/change/"):
        shown = staff.get(path).text
        assert "https://hooks.example.com/x?token=***" in shown
        assert "whsec_" not in shown
        assert TOKEN not in shown


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "http://127.0.0.1/", "a private or reserved address"),
        ("types", "Sync Me", "sync-*"),
        ("secret", "mine", "Feishu and DingTalk"),
        ("events", [], "required"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(staff, field, value, words):
    page = staff.post(f"{LIST}add/", {**FORM, field: value}).text
    assert words in page
    assert not Webhook.objects.exists()


def test_a_test_message_is_sent_and_its_answer_is_seen(staff, made):
    assert "a test message is on its way" in act(staff, "send_test", made).text
    delivery = WebhookDelivery.objects.get()
    delivery.attempts = [
        {
            "at": "2026-11-30T02:00:00.000Z",
            "durationMs": 1500,
            "status": 500,
            "error": {"code": "webhook-status", "params": {"status": 500}},
            "note": None,
            "answer": "<b>no</b>",
        }
    ]
    delivery.state, delivery.ended_at = "failed", timezone.now()
    delivery.save()
    page = staff.get(f"{DELIVERIES}{delivery.pk}/change/").text
    assert "It was answered with status 500." in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "webhook.test" in page
    assert "POST https://hooks.example.com/x?token=***" in page
    assert TOKEN not in page
    assert "is sent again" in act(staff, "send_again", delivery, path=DELIVERIES).text
    delivery.refresh_from_db()
    assert delivery.state == "waiting"


def test_one_is_disabled_and_enabled(staff, made):
    act(staff, "disable", made)
    made.refresh_from_db()
    assert made.state == "disabled"
    assert "Disabled by alice." in staff.get(f"{LIST}{made.pk}/change/").text
    assert "enable it first" in act(staff, "send_test", made).text
    act(staff, "enable", made)
    made.refresh_from_db()
    assert made.state == "active"


def test_deleting_asks_first(staff, made):
    assert "Delete permanently?" in act(staff, "delete", made).text
    assert Webhook.objects.exists()
    act(staff, "delete", made, sure="yes")
    assert not Webhook.objects.exists()
    assert AuditEvent.objects.filter(action="webhook.delete").exists()


def test_deliveries_are_found_by_state_and_webhook(staff, made):
    other = make_webhook({"url": "https://other.example.com/"}, ALICE).webhook
    send_test(made, ALICE)
    send_test(other, ALICE)
    page = staff.get(f"{DELIVERIES}?webhook={made.pk}&state=waiting").text
    assert page.count('name="_selected_action"') == 1
    page = staff.get(f"{DELIVERIES}?state=failed").text
    assert 'name="_selected_action"' not in page


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_others_than_admins_see_nothing(person, made, group):
    client = person(group)
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{made.pk}/change/").status_code == 403
    assert client.get(DELIVERIES).status_code == 403
