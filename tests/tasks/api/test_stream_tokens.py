"""The tokens with which a browser opens a stream."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.api import stream_tokens
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db


def test_a_token_opens_its_own_task():
    task = TaskFactory(status="running")
    assert stream_tokens.accepts(stream_tokens.issue(task.pk), task)


def test_a_token_opens_no_other_task():
    task, other = TaskFactory(), TaskFactory()
    assert not stream_tokens.accepts(stream_tokens.issue(task.pk), other)


@pytest.mark.parametrize("token", ["", ":", "x:y", "nonsense", "钥匙", "\0", "a:b:c"])
def test_nonsense_opens_nothing(token):
    assert not stream_tokens.accepts(token, TaskFactory())


def test_a_changed_token_opens_nothing():
    task = TaskFactory()
    moment, signature = stream_tokens.issue(task.pk).split(":")
    assert not stream_tokens.accepts(f"{moment}0:{signature}", task)
    assert not stream_tokens.accepts(f"{moment}:{signature[:-1]}", task)


@pytest.mark.parametrize(("minutes", "opens"), [(59, True), (61, False)])
def test_a_token_opens_for_an_hour_after_the_end(minutes, opens):
    ended = timezone.now() - timedelta(minutes=minutes)
    task = TaskFactory(status="completed", completed_at=ended)
    assert stream_tokens.accepts(stream_tokens.issue(task.pk), task) is opens


@pytest.mark.parametrize(("hours", "opens"), [(23, True), (25, False)])
def test_a_token_opens_for_a_day(hours, opens, monkeypatch):
    task = TaskFactory(status="running")
    issued_at = timezone.now().timestamp() - hours * 3600
    with monkeypatch.context() as patch:
        patch.setattr("django.core.signing.time.time", lambda: issued_at)
        token = stream_tokens.issue(task.pk)
    assert stream_tokens.accepts(token, task) is opens


def test_a_token_is_no_key(stranger):
    task = TaskFactory()
    token = stream_tokens.issue(task.pk)
    for path in ("/api/tasks", f"/api/tasks/{task.pk}"):
        assert stranger.get(path, {"token": token}).status_code == 401
        headers = {"X-API-Key": token}
        assert stranger.get(path, headers=headers).status_code == 401
