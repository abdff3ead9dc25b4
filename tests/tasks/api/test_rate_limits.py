"""How often somebody may ask."""

import pytest
from django.test import Client
from django.utils import timezone

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


@pytest.mark.parametrize("wrong", ["stale", "rs_" + "x" * 43, ""])
def test_wrong_keys_are_limited_and_shut_out_no_right_one(
    stranger, program, settings, wrong
):
    settings.RATE_LIMIT_READ = settings.RATE_LIMIT_CREATE = "2/h"
    for send in (stranger.get, stranger.post):
        path = "/api/tasks" if send == stranger.get else "/api/tasks/check-integrity"
        for _ in range(2):
            problem_of(send(path, headers={"X-API-Key": wrong}), 401)
        assert_limited(send(path, headers={"X-API-Key": wrong}))
    assert program.get("/api/tasks").status_code == 200
    assert program.post("/api/tasks/check-integrity", **NEW).status_code == 202


def test_keys_that_open_nothing_any_more_shut_out_no_right_one(
    stranger, program, settings
):
    settings.RATE_LIMIT_READ = "3/h"
    refused = {
        ApiKeyFactory(revoked_at=timezone.now()): 401,
        ApiKeyFactory(expires_at=timezone.now()): 401,
        ApiKeyFactory(networks="10.0.0.0/8"): 403,
    }
    for key, status in refused.items():
        headers = {"X-API-Key": key.secret}
        problem_of(stranger.get("/api/tasks", headers=headers), status)
    for key in refused:
        assert_limited(stranger.get("/api/tasks", headers={"X-API-Key": key.secret}))
    assert program.get("/api/tasks").status_code == 200


def test_a_right_key_is_let_in_as_often_as_its_own_count_allows_after_wrong_ones(
    program, settings
):
    settings.RATE_LIMIT_READ = "1/h"
    for _ in range(3):
        program.get("/api/tasks", headers={"X-API-Key": "stale"})
    assert program.get("/api/tasks").status_code == 200
    assert_limited(program.get("/api/tasks"))


def test_strangers_who_are_refused_take_the_open_pages_from_nobody(stranger, settings):
    settings.RATE_LIMIT_READ = "1/h"
    for path in ("/api/tasks", "/api/no/such/path"):
        stranger.get(path)
        assert_limited(stranger.get(path))
    assert stranger.get("/api/schema").status_code == 200
    assert_limited(stranger.get("/api"))


def test_a_wrong_key_costs_one_lookup(stranger, django_assert_num_queries):
    with django_assert_num_queries(1):
        problem_of(stranger.get("/api/tasks", headers={"X-API-Key": "wrong"}), 401)


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
