"""Signing in: it is written down, and who guesses has to wait."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client, RequestFactory

from tasks.access import attempts, rate_limits
from tasks.access.attempts import TooManyAttempts, attempt
from tasks.models import AuditEvent
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
TRIES = int(rate_limits.SIGN_IN_RATE.partition("/")[0])


@pytest.fixture(autouse=True)
def _long_window(monkeypatch):
    """Counting begins anew at fixed times; not in the middle of a test."""
    monkeypatch.setattr(rate_limits, "SIGN_IN_RATE", f"{TRIES}/d")


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


def test_of_thirty_attempts_at_once_no_more_than_the_limit_are_looked_at():
    request = RequestFactory().post("/", REMOTE_ADDR="10.1.2.3")

    def look(number):
        try:
            return bool(attempt(request, "alice"))
        except TooManyAttempts:
            return False

    with ThreadPoolExecutor(30) as pool:
        assert sum(pool.map(look, range(30))) == TRIES


def hashed(monkeypatch):
    """The passwords that were looked at."""
    seen = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda self, password, salt: (
            seen.append(password) or encode(self, password, salt)
        ),
    )
    return seen


def test_what_is_refused_is_not_hashed(stranger, monkeypatch):
    seen = hashed(monkeypatch)
    for number in range(TRIES + 20):
        sign_in(stranger, f"user-{number}", "wrong")
    assert len(seen) == TRIES


def test_an_account_is_guessed_at_from_many_addresses_no_more_than_its_limit(
    monkeypatch,
):
    most = int(attempts.ACCOUNT_RATE.partition("/")[0])
    seen = hashed(monkeypatch)
    for number in range(most + 20):
        sign_in(Client(), "alice", "wrong", REMOTE_ADDR=f"6.6.{number}.6")
    assert len(seen) == most
    answer = sign_in(Client(), "ALICE", "x", REMOTE_ADDR="6.6.200.6")
    assert "Too many failed sign-ins" in answer.text


def test_strangers_keep_nobody_out_who_signed_in_from_there_before():
    home = {"REMOTE_ADDR": "2001:db8::7"}
    sign_in(Client(), "alice", "sesame-4-alice", **home)
    for number in range(100):
        sign_in(Client(), "alice", "wrong", REMOTE_ADDR=f"6.6.{number}.6")
    # Of the same network, with another address of it.
    answer = sign_in(Client(), "alice", "sesame-4-alice", REMOTE_ADDR="2001:db8::8")
    assert answer["Location"] == "/"
    elsewhere = sign_in(Client(), "alice", "sesame-4-alice", REMOTE_ADDR="9.9.9.9")
    assert "Too many" in elsewhere.text


def test_one_who_fails_keeps_nobody_out_behind_the_same_address():
    sign_in(Client(), "alice", "sesame-4-alice")
    for number in range(TRIES + 5):
        sign_in(Client(), f"user-{number}", "wrong")
    assert sign_in(Client(), "alice", "sesame-4-alice").status_code == 302
    for _ in range(TRIES + 1):
        sign_in(Client(), "alice", "wrong")
    assert "Too many" in sign_in(Client(), "alice", "sesame-4-alice").text


def test_what_an_address_may_not_try_uses_up_no_account(stranger):
    for _ in range(200):
        sign_in(stranger, "alice", "wrong", REMOTE_ADDR="6.6.6.6")
    answer = sign_in(Client(), "alice", "sesame-4-alice", REMOTE_ADDR="9.9.9.9")
    assert answer["Location"] == "/"


def test_nobody_learns_by_the_limits_which_accounts_there_are():
    def answers(name):
        texts = []
        for number in range(40):
            page = sign_in(Client(), name, "wrong", REMOTE_ADDR=f"6.6.{number}.6").text
            list_of_errors = re.search(r"errornote[^>]*>(.*?)</p>", page, re.S)
            texts.append(re.sub(r"\d+", "N", list_of_errors[1]).strip())
        return texts

    assert answers("alice") == answers("nobody-at-all")


def test_the_old_password_is_tried_no_more_often_than_at_the_sign_in(browser, alice):
    def change(old):
        page = browser.get("/admin/password_change/")
        form = {
            "csrfmiddlewaretoken": str(page.context["csrf_token"]),
            "old_password": old,
            "new_password1": "sesame-5-alice",
            "new_password2": "sesame-5-alice",
        }
        return browser.post("/admin/password_change/", form, follow=True)

    for _ in range(TRIES):
        assert "was entered incorrectly" in change("wrong").text
    assert "Too many failed sign-ins" in change("sesame-4-alice").text
    alice.refresh_from_db()
    assert alice.check_password("sesame-4-alice")


@pytest.mark.parametrize("is_staff", [True, False])
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "account has no access"), ("zh-hans", "你的账号")],
)
def test_a_right_password_that_opens_nothing_is_not_called_wrong(
    stranger, is_staff, language, words
):
    user = UserFactory(username="eve", is_staff=is_staff)
    user.set_password("sesame-4-eve")
    user.save()
    headers = {"Accept-Language": language}
    for _ in range(TRIES + 5):  # which is no guessing
        answer = sign_in(stranger, "eve", "sesame-4-eve", headers=headers)
        assert words in answer.text
        assert "admin" in answer.text
    assert "_auth_user_id" not in stranger.session
    assert words not in sign_in(stranger, "eve", "wrong", headers=headers).text
    assert written()[0] == ("sign-in.failed", "eve", "127.0.0.1")


def test_who_is_not_active_learns_no_more_than_by_a_wrong_password(stranger, alice):
    alice.is_active = False
    alice.save()

    def answer(password):
        page = sign_in(stranger, "alice", password).text
        return re.search(r"errornote[^>]*>(.*?)</p>", page, re.S)[1]

    assert answer("sesame-4-alice") == answer("wrong")


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
