"""How often somebody may ask."""

import pytest
from django.test import Client

from tests.factories import ApiKeyFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db
NEW = {"data": {"version": "v885"}, "content_type": "application/json"}


def client_of(key):
    return Client(headers={"X-API-Key": key.secret})


def assert_limited(response):
    problem_of(response, 429)
    assert int(response["Retry-After"]) >= 1


def test_starting_tasks_is_limited_by_its_own_rate(program, settings):
    settings.RATE_LIMIT_CREATE = "2/h"
    for _ in range(2):
        assert program.post("/api/tasks/check-integrity", **NEW).status_code == 202
    assert_limited(program.post("/api/tasks/check-integrity", **NEW))
    assert_limited(program.post(f"/api/tasks/{TaskFactory().pk}/rerun"))
    assert program.get("/api/tasks").status_code == 200


def test_reading_and_cancelling_are_limited_together(program, settings):
    settings.RATE_LIMIT_READ = "2/h"
    task = TaskFactory()
    assert program.get(f"/api/tasks/{task.pk}").status_code == 200
    assert program.post(f"/api/tasks/{task.pk}/cancel").status_code == 202
    assert_limited(program.get("/api/tasks"))
    assert_limited(program.post(f"/api/tasks/{task.pk}/cancel"))
    assert program.post("/api/tasks/check-integrity", **NEW).status_code == 202


def test_each_key_has_its_own_count(settings, db):
    settings.RATE_LIMIT_READ = "1/h"
    # Two keys of one name are still two keys.
    one, other = client_of(ApiKeyFactory()), client_of(ApiKeyFactory())
    assert one.get("/api/tasks").status_code == 200
    assert_limited(one.get("/api/tasks"))
    assert other.get("/api/tasks").status_code == 200


def test_strangers_are_counted_by_address(stranger, settings):
    settings.RATE_LIMIT_READ = "1/h"
    problem_of(stranger.get("/api/tasks"), 401)
    assert_limited(stranger.get("/api/tasks"))
    problem_of(stranger.get("/api/tasks", REMOTE_ADDR="10.0.0.2"), 401)


def test_one_host_with_many_ipv6_addresses_is_one_stranger(stranger, settings):
    settings.RATE_LIMIT_READ = "1/h"
    problem_of(stranger.get("/api/tasks", REMOTE_ADDR="2001:db8::1"), 401)
    assert_limited(stranger.get("/api/tasks", REMOTE_ADDR="2001:db8::2:3"))


def test_keys_cannot_be_found_by_trying(stranger, api_key, settings):
    settings.RATE_LIMIT_READ = "2/h"
    for guess in ("one", "two"):
        problem_of(stranger.get("/api/tasks", headers={"X-API-Key": guess}), 401)
    for guess in ("three", api_key.secret):
        assert_limited(stranger.get("/api/tasks", headers={"X-API-Key": guess}))
    # Whoever asks from elsewhere is not held up.
    response = stranger.get(
        "/api/tasks", headers={"X-API-Key": api_key.secret}, REMOTE_ADDR="10.0.0.2"
    )
    assert response.status_code == 200


def test_right_keys_use_up_no_guesses(program, settings):
    settings.RATE_LIMIT_READ = "3/h"
    for _ in range(3):
        assert program.get("/api/tasks").status_code == 200
    response = program.get("/api/tasks", headers={"X-API-Key": "wrong"})
    problem_of(response, 401)


def test_no_rate_is_no_limit(program, settings):
    settings.RATE_LIMIT_READ = None
    assert all(program.get("/api/tasks").status_code == 200 for _ in range(5))


def test_health_and_metrics_are_never_limited(stranger, settings):
    settings.RATE_LIMIT_READ = "1/h"
    for _ in range(3):
        assert stranger.get("/health").status_code == 503
        assert stranger.get("/metrics").status_code == 200
