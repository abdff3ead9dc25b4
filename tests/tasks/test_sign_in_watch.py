"""Signing in: it is written down, and who guesses has to wait."""

from urllib.parse import urljoin

import pytest
from django.test import Client

from tasks.api import throttles
from tasks.models import AuditEvent

pytestmark = pytest.mark.django_db
TRIES = int(throttles.SIGN_IN_RATE.partition("/")[0])


@pytest.fixture(autouse=True)
def _long_window(monkeypatch):
    """Counting begins anew at fixed times; not in the middle of a test."""
    monkeypatch.setattr(throttles, "SIGN_IN_RATE", f"{TRIES}/d")


@pytest.fixture(autouse=True)
def _password(alice, settings):
    # The real ones take a quarter of a second each, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    alice.set_password("sesame-4-alice")
    alice.save()


def sign_in(client, name, password, **options):
    form = {"username": name, "password": password, "next": "/"}
    return client.post("/admin/login/", form, **options)


def written():
    return list(
        AuditEvent.objects.order_by("pk").values_list("action", "actor", "address")
    )


def test_who_signs_in_and_out_is_written_down(stranger):
    sign_in(stranger, "alice", "sesame-4-alice", REMOTE_ADDR="10.1.2.3")
    stranger.post("/sign-out", REMOTE_ADDR="10.1.2.4")
    assert written() == [
        ("sign-in", "alice", "10.1.2.3"),
        ("sign-out", "alice", "10.1.2.4"),
    ]


def test_a_failed_sign_in_is_written_down_by_a_name_that_is_known(stranger):
    sign_in(stranger, "alice", "wrong")
    assert written() == [("sign-in.failed", "alice", "127.0.0.1")]


def test_what_is_no_name_is_not_written_down_because_it_may_be_a_password(stranger):
    sign_in(stranger, "sesame-4-alice", "")
    sign_in(stranger, "sesame-4-alice", "x")
    assert written() == [("sign-in.failed", "(unknown)", "127.0.0.1")]


def test_a_link_that_does_not_work_is_written_down(stranger):
    stranger.get("/sign-in/MQ/wrong")
    assert written() == [("sign-in.failed", "(unknown)", "127.0.0.1")]


def test_who_guesses_waits_and_fills_no_table(stranger):
    for _ in range(TRIES + 5):
        sign_in(stranger, "alice", "wrong")
        stranger.get("/sign-in/MQ/wrong")
    answer = sign_in(stranger, "alice", "sesame-4-alice")
    assert "Too many failed sign-ins; try again in" in answer.text
    assert "_auth_user_id" not in stranger.session
    assert len(written()) <= TRIES + 1


def test_who_guesses_keeps_nobody_out_who_comes_from_elsewhere(stranger):
    for _ in range(TRIES + 1):
        sign_in(stranger, "alice", "wrong", REMOTE_ADDR="6.6.6.6")
    answer = sign_in(Client(), "alice", "sesame-4-alice", REMOTE_ADDR="10.1.2.3")
    assert answer["Location"] == "/"


def test_who_mistypes_a_few_times_gets_in(stranger):
    for _ in range(TRIES - 1):
        sign_in(stranger, "alice", "wrong")
    assert sign_in(stranger, "alice", "sesame-4-alice").status_code == 302


def test_signing_in_often_is_no_guessing(stranger):
    for _ in range(TRIES + 2):
        assert sign_in(Client(), "alice", "sesame-4-alice").status_code == 302


def test_a_session_from_before_the_sign_in_is_not_the_one_after_it(stranger):
    stranger.get("/admin/login/")
    session = stranger.session
    session["planted"] = "by somebody else"
    session.save()
    stranger.cookies["resource_sync_session"] = planted = session.session_key
    sign_in(stranger, "alice", "sesame-4-alice")
    assert stranger.cookies["resource_sync_session"].value != planted
    thief = Client()
    thief.cookies["resource_sync_session"] = planted
    assert thief.get("/").status_code == 302


@pytest.mark.parametrize(
    "where",
    ["//evil.example", "https://evil.example/x", "/\\\\evil.example", "///evil"],
)
def test_signing_in_leads_nowhere_else(stranger, where):
    form = {"username": "alice", "password": "sesame-4-alice", "next": where}
    location = stranger.post("/admin/login/", form)["Location"]
    assert urljoin("http://testserver/admin/login/", location) == "http://testserver/"
