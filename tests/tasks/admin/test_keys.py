"""API keys in the admin: made with what they may do, shown once, revoked."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone

from tasks.models import ApiKey, AuditEvent
from tests.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db

KEYS = "/admin/tasks/apikey/"
UNITY = {"name": "unity", "scope": "start", "last_day": "", "networks": ""}


@pytest.fixture
def act(act):
    return partial(act, base=KEYS)


def test_a_key_is_shown_once_when_it_is_made(root):
    page = root.post(f"{KEYS}add/", UNITY)
    key = ApiKey.objects.get()
    secret = page.context["secret"]
    assert page.status_code == 200
    assert secret in page.text
    assert ApiKey.objects.known_as(secret) == key
    assert secret not in root.get(KEYS).text
    assert secret not in root.get(f"{KEYS}{key.pk}/change/").text
    assert "no-store" in page["Cache-Control"]
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.target) == ("root", "key.create", str(key))


def test_a_key_is_made_with_scope_end_and_addresses(root):
    more = {"last_day": "2999-01-31", "networks": "10.0.0.0/8\n2001:db8::/32"}
    root.post(f"{KEYS}add/", {**UNITY, **more})
    key = ApiKey.objects.get()
    assert key.scope == "start"
    assert key.expires_at == datetime(2999, 2, 1, tzinfo=UTC)
    assert key.networks == "10.0.0.0/8, 2001:db8::/32"
    details = AuditEvent.objects.get().details
    assert details["scope"] == "start"
    assert details["addresses"] == key.networks


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "This field is required."),
        ("scope", "root", "Select a valid choice."),
        ("last_day", "2020-01-31", "This day is in the past."),
        ("last_day", "9999-12-31", "This day is in the past."),
        ("networks", "10.0.0.0/8, localhost", "localhost"),
        ("networks", "10.0.0.1/8", "host bits set"),
    ],
)
def test_a_key_is_not_made_where_a_field_is_wrong(root, field, value, says):
    page = root.post(f"{KEYS}add/", {**UNITY, field: value})
    assert says in page.text
    assert not ApiKey.objects.exists()


def test_the_list_says_in_which_state_each_key_is(root):
    past = timezone.now() - timedelta(days=1)
    ApiKeyFactory(name="good", networks="10.0.0.0/8", last_used_from="10.1.2.3")
    ApiKeyFactory(name="old", expires_at=past)
    ApiKeyFactory(name="gone", revoked_at=past)
    page = root.get(KEYS).text
    for text in ("● usable", "✕ expired", "⊘ revoked", "10.0.0.0/8", "10.1.2.3"):
        assert text in page
    for state, name in (("usable", "good"), ("expired", "old"), ("revoked", "gone")):
        found = root.get(f"{KEYS}?state={state}").context["cl"].result_list
        assert [key.name for key in found] == [name]


def test_a_key_is_revoked_by_button_and_by_action_after_a_question(root, act):
    first, second = ApiKeyFactory.create_batch(2)
    button = root.get(f"{KEYS}{first.pk}/change/").text
    assert f'action="{KEYS}"' in button
    assert "Revoke permanently?" in act(root, "revoke_selected", first).text
    assert ApiKey.objects.usable().count() == 2
    act(root, "revoke_selected", first, sure="yes")
    page = act(root, "revoke_selected", first, second, sure="yes")
    assert "was already revoked" in page.text
    assert not ApiKey.objects.usable().exists()
    events = AuditEvent.objects.values_list("action", "target").order_by("pk")
    assert list(events) == [("key.revoke", str(first)), ("key.revoke", str(second))]


def test_a_key_is_neither_edited_nor_deleted(root):
    key = ApiKeyFactory()
    assert root.post(f"{KEYS}{key.pk}/change/", {"name": "x"}).status_code == 403
    assert root.post(f"{KEYS}{key.pk}/delete/").status_code == 403
    assert key.digest not in root.get(f"{KEYS}{key.pk}/change/").text


def test_an_onlooker_revokes_and_makes_no_key(onlooker, act):
    key = ApiKeyFactory()
    act(onlooker, "revoke_selected", key, sure="yes")
    assert onlooker.post(f"{KEYS}add/", UNITY).status_code == 403
    assert "revoke_selected" not in onlooker.get(f"{KEYS}{key.pk}/change/").text
    assert ApiKey.objects.usable().count() == 1


def test_making_and_revoking_take_a_csrf_token(root):
    key = ApiKeyFactory()
    root.handler.enforce_csrf_checks = True
    asked = {"action": "revoke_selected", "_selected_action": [key.pk], "sure": "yes"}
    assert root.post(KEYS, asked).status_code == 403
    assert root.post(f"{KEYS}add/", UNITY).status_code == 403
    assert ApiKey.objects.usable().count() == 1


def test_in_chinese_a_key_was_revoked_at_a_time_and_is_revoked(root):
    key = ApiKeyFactory(revoked_at=timezone.now())
    chinese = {"Accept-Language": "zh-CN"}
    page = root.get(f"{KEYS}{key.pk}/change/", headers=chinese).text
    assert "⊘ 已吊销" in page
    assert "吊销时间" in page


def test_a_key_is_given_several_scopes(root):
    scopes = ["start:check-integrity", "cancel"]
    root.post(f"{KEYS}add/", {**UNITY, "scope": scopes})
    assert set(ApiKey.objects.get().scope.split()) == set(scopes)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("start", {"start", "start:prune", "read start cancel"}),
        ("cancel", {"cancel", "read start cancel"}),
        ("admin", {"admin"}),
    ],
)
def test_keys_are_found_by_one_of_their_scopes(root, asked, found):
    for scope in (
        "read",
        "start",
        "start:prune",
        "cancel",
        "read start cancel",
        "admin",
    ):
        ApiKeyFactory(scope=scope)
    rows = root.get(f"{KEYS}?scope={asked}").context["cl"].result_list
    assert {key.scope for key in rows} == found
