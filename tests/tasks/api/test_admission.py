"""The same door for a request that has not been through Django's middleware."""

import pytest
from django.test import Client, RequestFactory
from rest_framework import exceptions

from tasks.access.admission import admit
from tasks.problems import from_exception
from tests.factories import UserFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


def plain(**more):
    return RequestFactory().get("/api/tasks/x/stream", **more)


def test_a_key_comes_in_under_its_name(api_key):
    actor = admit(plain(headers={"X-API-Key": api_key.secret}))
    assert (actor.name, actor.address) == ("key:unity-editor", "127.0.0.1")


def test_staff_come_in_with_their_session(alice):
    client = Client()
    client.force_login(alice)
    request = plain()
    request.COOKIES.update({name: c.value for name, c in client.cookies.items()})
    assert admit(request).name == "alice"


def test_strangers_are_turned_away():
    with pytest.raises(exceptions.NotAuthenticated) as raised:
        admit(plain())
    response = from_exception(raised.value)
    problem_of(response, 401)
    assert "WWW-Authenticate" in response


def test_a_wrong_key_is_turned_away():
    with pytest.raises(exceptions.AuthenticationFailed):
        admit(plain(headers={"X-API-Key": "wrong"}))


def test_whoever_is_no_staff_is_turned_away(bob):
    client = Client()
    client.force_login(bob)
    request = plain()
    request.COOKIES.update({name: c.value for name, c in client.cookies.items()})
    with pytest.raises(exceptions.PermissionDenied):
        admit(request)


def test_whoever_is_in_no_group_is_turned_away(db):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    request = plain()
    request.COOKIES.update({name: c.value for name, c in client.cookies.items()})
    with pytest.raises(exceptions.PermissionDenied, match="none of the groups"):
        admit(request)


def test_requests_are_counted_by_their_scope(api_key, settings):
    settings.RATE_LIMIT_READ = "1/h"
    headers = {"X-API-Key": api_key.secret}
    admit(plain(headers=headers), "read")
    with pytest.raises(exceptions.Throttled) as raised:
        admit(plain(headers=headers), "read")
    response = from_exception(raised.value)
    problem_of(response, 429)
    assert int(response["Retry-After"]) >= 1


def test_it_does_not_mind_what_the_client_accepts(api_key):
    headers = {"X-API-Key": api_key.secret, "Accept": "text/event-stream"}
    assert admit(plain(headers=headers)).name == "key:unity-editor"


def test_ipv4_inside_ipv6_is_ipv4(api_key):
    headers = {"X-API-Key": api_key.secret}
    request = plain(headers=headers, REMOTE_ADDR="::ffff:10.1.2.3")
    assert admit(request).address == "10.1.2.3"
