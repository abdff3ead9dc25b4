"""The tokens with which a browser opens a stream."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone
from rest_framework import exceptions

from tasks.access import stream_tokens
from tasks.access.admission import admit, credential_of
from tasks.access.credentials import BOOTSTRAP, Credential
from tasks.models import ApiKey
from tests.factories import ApiKeyFactory, TaskFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    return TaskFactory(status="running")


def asking(token, address="127.0.0.1", **headers):
    return RequestFactory().get(
        "/api/tasks/x/stream", {"token": token}, headers=headers, REMOTE_ADDR=address
    )


def opens(token, task, address="127.0.0.1"):
    try:
        admit(asking(token, address), "stream", task)
    except exceptions.NotAuthenticated:
        return False
    return True


def token_of(client, task, **headers):
    """The token in the URL that a browser with a key is given."""
    headers = {"Origin": "https://tools.example.com", **headers}
    url = client.get(f"/api/tasks/{task.pk}", headers=headers).json()["streamUrl"]
    return url.partition("?token=")[2].replace("%3A", ":")


def test_a_token_opens_its_own_task_and_no_other(api_key, task):
    token = stream_tokens.issue(task.pk, api_key.pk)
    assert opens(token, task)
    assert not opens(token, TaskFactory())


@pytest.mark.parametrize(
    "token", ["", ":", "x:y", "1", "1:", "nonsense", "钥匙", "\0", "a:b:c", "²:b:c"]
)
def test_nonsense_opens_nothing(token, task):
    assert not opens(token, task)


def test_a_changed_token_opens_nothing(api_key, task):
    token = stream_tokens.issue(task.pk, api_key.pk)
    other = ApiKeyFactory()
    key_id, moment, signature = token.split(":")
    for changed in (
        f"{other.pk}:{moment}:{signature}",
        f"{stream_tokens.BOOTSTRAP}:{moment}:{signature}",
        f"{key_id}:{moment}0:{signature}",
        f"{key_id}:{moment}:{signature[:-1]}",
        f"{key_id}0:{moment}:{signature}",
        f"{moment}:{signature}",
    ):
        assert not opens(changed, task), changed


@pytest.mark.parametrize(("minutes", "is_open"), [(59, True), (61, False)])
def test_a_token_opens_for_an_hour_after_the_end(api_key, minutes, is_open):
    ended = timezone.now() - timedelta(minutes=minutes)
    task = TaskFactory(status="completed", completed_at=ended)
    assert opens(stream_tokens.issue(task.pk, api_key.pk), task) is is_open


@pytest.mark.parametrize(("hours", "is_open"), [(23, True), (25, False)])
def test_a_token_opens_for_a_day(api_key, task, hours, is_open, monkeypatch):
    issued_at = timezone.now().timestamp() - hours * 3600
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: issued_at)
        token = stream_tokens.issue(task.pk, api_key.pk)
    assert opens(token, task) is is_open


@pytest.mark.parametrize(
    "loss",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now()},
        {"networks": "10.0.0.0/8"},
    ],
)
def test_a_token_is_good_only_as_long_as_its_key(program, task, loss):
    token = token_of(program, task)
    assert opens(token, task)
    ApiKey.objects.update(**loss)
    assert not opens(token, task)


def test_a_token_dies_with_a_key_that_is_deleted(program, task):
    token = token_of(program, task)
    ApiKey.objects.all().delete()
    assert not opens(token, task)


def test_a_token_comes_from_where_its_key_may_come_from(stranger, task):
    key = ApiKeyFactory(networks="10.0.0.0/8")
    token = stream_tokens.issue(task.pk, key.pk)
    assert opens(token, task, "10.1.2.3")
    assert not opens(token, task, "11.1.2.3")


def test_a_token_of_the_bootstrap_key_dies_when_that_is_another(
    stranger, settings, task
):
    settings.API_KEY = "the-first"
    token = token_of(stranger, task, **{"X-API-Key": "the-first"})
    assert opens(token, task)
    for settings.API_KEY in ("the-second", ""):
        assert not opens(token, task)


def test_a_token_counts_by_its_key_and_the_address(api_key, settings, task):
    settings.RATE_LIMIT_READ = "1/h"
    token = stream_tokens.issue(task.pk, api_key.pk)
    assert opens(token, task)
    with pytest.raises(exceptions.Throttled):
        opens(token, task)
    assert opens(token, task, "10.1.2.3")
    admit(asking("", **{"X-API-Key": api_key.secret}), "stream", task)


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_wrong_key_is_refused_beside_a_good_token(api_key, task, header):
    request = asking(
        stream_tokens.issue(task.pk, api_key.pk), **{header: "Bearer wrong"}
    )
    with pytest.raises(exceptions.AuthenticationFailed):
        admit(request, "stream", task)


def test_what_came_in_by_a_token_is_asked_again_by_its_key(
    api_key, stranger, settings, task
):
    request = asking(stream_tokens.issue(task.pk, api_key.pk))
    request.user = AnonymousUser()
    admit(request, "stream", task)
    assert credential_of(request) == Credential(api_key.pk, "127.0.0.1")
    settings.API_KEY = "bootstrap"
    request = asking(stream_tokens.issue(task.pk, stream_tokens.BOOTSTRAP))
    admit(request, "stream", task)
    assert credential_of(request) == BOOTSTRAP


def test_a_token_is_no_key(stranger, api_key, task):
    token = stream_tokens.issue(task.pk, api_key.pk)
    for path in ("/api/tasks", f"/api/tasks/{task.pk}"):
        assert stranger.get(path, {"token": token}).status_code == 401
        headers = {"X-API-Key": token}
        assert stranger.get(path, headers=headers).status_code == 401
