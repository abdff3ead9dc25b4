"""The second factor: asked for after the password, at every door, and by nobody gone
round."""

import base64
import re
import threading
import time

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.exceptions import NotAuthenticated

from tasks.access import half_signed_in, second_factor
from tasks.access.admission import admit
from tasks.access.credentials import Credential, ended_among
from tasks.access.second_factor import (
    STEP_SECONDS,
    NewKey,
    confirm,
    renew_recovery_codes,
    use,
)
from tasks.access.sign_in import sign_in_link
from tasks.lifecycle import Actor
from tasks.models import AuditEvent, RecoveryCode, SecondFactor
from tests.factories import ApiKeyFactory, TaskFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PASSWORD = "sesame-4-alice"


class Authenticator:
    """What somebody has in a pocket."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.totp = TOTP(key, 6, SHA1(), 30)

    def code(self, steps=0):
        return self.totp.generate(int(time.time()) + steps * STEP_SECONDS).decode()


@pytest.fixture(autouse=True)
def _password(alice, settings):
    # The real ones take a quarter of a second each, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    alice.set_password(PASSWORD)
    alice.save()


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch):
    """A step does not end in the middle of a test, nor an hour."""
    now = time.time() // STEP_SECONDS * STEP_SECONDS + 1
    monkeypatch.setattr(second_factor.time, "time", lambda: now)


@pytest.fixture
def phone(alice):
    """Alice's authenticator; its ``codes`` are those for when it is lost."""
    new = NewKey.made()
    phone = Authenticator(new.key)
    phone.codes = confirm(alice, new, phone.code(-1), Actor("alice"))
    return phone


def give_password(client, name="alice", password=PASSWORD, to="/history"):
    form = {"username": name, "password": password, "next": to}
    return client.post("/admin/login/", form)


def give_code(client, code):
    return client.post("/sign-in/code", {"code": code})


def is_signed_in(client):
    return "_auth_user_id" in client.session


def actions():
    found = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    return [action for action in found if action != "factor.set-up"]


# --- Signing in ---------------------------------------------------------------------


def test_the_password_leads_to_the_code_and_the_code_to_the_wanted_page(
    stranger, phone
):
    answer = give_password(stranger)
    assert answer["Location"] == "/sign-in/code"
    assert not is_signed_in(stranger)
    assert "You sign in as alice." in stranger.get("/sign-in/code").text
    answer = give_code(stranger, phone.code())
    assert answer["Location"] == "/history"
    assert stranger.get("/history").status_code == 200
    assert actions() == ["sign-in"]


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_be_wrong_by_one_step(stranger, phone, steps):
    SecondFactor.objects.update(last_step=0)
    give_password(stranger)
    assert give_code(stranger, phone.code(steps)).status_code == 302


@pytest.mark.parametrize("steps", [-2, 2, 2000])
def test_and_by_no_more(stranger, phone, steps):
    give_password(stranger)
    assert give_code(stranger, phone.code(steps)).status_code == 400
    assert not is_signed_in(stranger)


def test_people_may_write_blanks(stranger, phone):
    give_password(stranger)
    code = phone.code()
    assert give_code(stranger, f" {code[:3]} {code[3:]} ").status_code == 302


def test_who_has_none_is_not_asked(stranger):
    assert give_password(stranger)["Location"] == "/history"
    assert is_signed_in(stranger)


def test_a_sign_in_link_asks_for_the_code_too(stranger, alice, phone):
    link = sign_in_link(alice, "")
    assert stranger.get(link)["Location"] == "/sign-in/code"
    assert not is_signed_in(stranger)
    assert give_code(stranger, phone.code())["Location"] == "/"


def test_keys_of_programs_are_not_concerned(client, phone, settings):
    settings.REQUIRE_SECOND_FACTOR = "all"
    key = ApiKeyFactory()
    assert (
        client.get("/api/tasks", headers={"X-API-Key": key.secret}).status_code == 200
    )


# --- Attacks ------------------------------------------------------------------------


def test_a_code_is_good_once(stranger, phone):
    code = phone.code()
    give_password(stranger)
    assert give_code(stranger, code).status_code == 302
    thief = Client()
    give_password(thief)
    answer = give_code(thief, code)
    assert answer.status_code == 400
    assert "was used before" in answer.text
    assert not is_signed_in(thief)


def test_the_code_of_the_setup_and_older_ones_are_used_up(stranger, phone):
    give_password(stranger)
    assert give_code(stranger, phone.code(-1)).status_code == 400
    assert give_code(stranger, phone.code(1)).status_code == 302
    other = Client()
    give_password(other)
    assert give_code(other, phone.code(0)).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_with_one_code_one_is_let_in(phone, alice):
    code, both, let_in = phone.code(), threading.Barrier(2), []

    def use():
        both.wait()
        try:
            let_in.append(second_factor.use(alice, code, Actor("alice")))
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, let_in)) == ["None", "code"]


def test_who_guesses_waits_from_wherever_and_a_right_code_is_not_looked_at(phone):
    for n in range(10):
        client = Client(REMOTE_ADDR=f"10.0.{n}.1")
        give_password(client)
        assert give_code(client, "000000").status_code == 400
    client = Client(REMOTE_ADDR="10.1.1.1")
    give_password(client)
    for code in (phone.code(), phone.codes[0]):
        answer = give_code(client, code)
        assert "Too many failed sign-ins; try again in" in answer.text
        assert not is_signed_in(client)
    failed = AuditEvent.objects.filter(action="sign-in.failed")
    assert failed.count() == 10
    assert failed.first().details == {"by": "code"}
    assert RecoveryCode.objects.count() == 10


def test_right_codes_count_for_nothing(phone):
    for code in phone.codes:
        client = Client()
        give_password(client)
        assert give_code(client, code).status_code == 302
    client = Client()
    give_password(client)
    assert give_code(client, phone.code()).status_code == 302


def test_both_steps_change_the_session_s_key(stranger, phone):
    keys = set()
    stranger.get("/i18n/")
    session = stranger.session
    session["of"] = "a thief"
    session.save()
    keys.add(session.session_key)
    give_password(stranger)
    keys.add(stranger.session.session_key)
    assert "of" not in stranger.session
    give_code(stranger, phone.code())
    keys.add(stranger.session.session_key)
    assert len(keys) == 3


def test_who_was_signed_in_is_so_no_more_after_another_s_password(person, alice, phone):
    client = person("viewer")
    give_password(client)
    assert not is_signed_in(client)
    assert client.get("/history").status_code == 302


PATHS = [
    "/", "/history", "/releases", "/account", "/account/second-factor", "/live",
    "/compare", "/palette", "/admin/", "/admin/tasks/task/", "/admin/auth/user/",
    "/admin/password_change/", "/tasks/{id}", "/tasks/{id}/panel", "/tasks/cancel",
    "/api/tasks", "/api/tasks/{id}/status", "/api/tasks/{id}/logs", "/api/task-types",
    "/api/tasks/{id}/stream", "/api/events", "/api/tasks/{id}/export.html",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("has_factor", [True, False])
def test_with_the_password_alone_nothing_is_read(
    stranger, request, settings, path, has_factor
):
    if has_factor:
        request.getfixturevalue("phone")
    else:
        settings.REQUIRE_SECOND_FACTOR = "all"
    give_password(stranger)
    answer = stranger.get(path.format(id=TaskFactory().pk))
    assert answer.status_code in {302, 401, 404}
    if answer.status_code == 302:
        assert answer["Location"].startswith("/admin/login/")
    if answer.status_code == 404:  # of streams, which are in front of Django
        assert path.endswith(("/stream", "/events"))


def test_nor_watched(stranger, phone):
    """Streams are let in before Django, by the session alone."""
    give_password(stranger)
    request = RequestFactory().get("/api/events")
    request.COOKIES = {name: one.value for name, one in stranger.cookies.items()}
    with pytest.raises(NotAuthenticated):
        admit(request)
    give_code(stranger, phone.code())
    request = RequestFactory().get("/api/events")
    request.COOKIES = {name: one.value for name, one in stranger.cookies.items()}
    assert admit(request).name == "alice"


@pytest.mark.parametrize(
    "path", ["/api/tasks/check-integrity", "/api/tasks/cancel", "/tasks/cancel"]
)
def test_nor_done(stranger, phone, path):
    give_password(stranger)
    answer = stranger.post(path, {"version": "v1"}, "application/json")
    assert answer.status_code in {302, 401}


def test_the_second_step_ends_with_its_time(stranger, phone, monkeypatch):
    give_password(stranger)
    later = time.time() + half_signed_in.SECONDS + 1
    monkeypatch.setattr(half_signed_in.time, "time", lambda: later)
    assert give_code(stranger, phone.code())["Location"] == "/admin/login/"
    assert not is_signed_in(stranger)


@pytest.mark.parametrize("change", ["password", "inactive", "groups", "deleted"])
def test_and_where_the_account_is_another_by_then(stranger, alice, phone, change):
    give_password(stranger)
    if change == "password":
        alice.set_password("another-9")
        alice.save()
    elif change == "inactive":
        User.objects.update(is_active=False)
    elif change == "groups":
        alice.groups.clear()
    else:
        alice.delete()
    assert give_code(stranger, phone.code())["Location"] == "/admin/login/"
    assert not is_signed_in(stranger)


def test_without_a_password_there_is_no_second_step(stranger, phone):
    for path in ("/sign-in/code", "/sign-in/second-factor"):
        assert stranger.get(path)["Location"] == "/admin/login/"
        answer = stranger.post(path, {"code": phone.code()})
        assert answer["Location"] == "/admin/login/"
    assert not is_signed_in(stranger)


def test_whose_key_can_not_be_read_any_more_is_told_and_recovery_codes_go_on(
    stranger, phone, settings
):
    give_password(stranger)
    SecondFactor.objects.update(sealed_key="AAAA")
    answer = give_code(stranger, phone.code())
    assert "SECRET_KEY was changed" in answer.text
    assert give_code(stranger, phone.codes[0]).status_code == 302


# --- Recovery codes -----------------------------------------------------------------


def test_a_recovery_code_is_good_once_and_written_down(stranger, phone):
    code = phone.codes[3]
    give_password(stranger)
    answer = stranger.post("/sign-in/code", {"code": code.lower()}, follow=True)
    assert "Codes that are left: 9." in answer.text
    assert actions() == ["factor.recovery-code", "sign-in"]
    assert AuditEvent.objects.get(action="factor.recovery-code").details == {"left": 9}
    other = Client()
    give_password(other)
    assert give_code(other, code).status_code == 400


def test_neither_key_nor_recovery_codes_lie_in_the_database(phone, alice):
    factor = SecondFactor.objects.get()
    assert phone.key.hex() not in factor.sealed_key
    stored = [factor.sealed_key, *RecoveryCode.objects.values_list("digest", flat=True)]
    for code in phone.codes:
        assert not any(code in text or code.replace("-", "") in text for text in stored)


# --- Setting it up ------------------------------------------------------------------


def shown_key(page):
    found = re.search(r'class="code key">([A-Z2-7 ]+)<', page.text)
    return base64.b32decode(found[1].replace(" ", ""))


@pytest.fixture
def signed_in(stranger):
    give_password(stranger)
    return stranger


def test_it_is_set_up_on_the_account_s_page_by_a_code(signed_in):
    page = signed_in.get("/account/second-factor")
    assert "<svg" in page.text
    assert "otpauth://totp/" in page.text
    assert "style=" not in page.text
    phone = Authenticator(shown_key(page))
    assert shown_key(signed_in.get("/account/second-factor")) == shown_key(page)
    form = {"code": phone.code(), "password": PASSWORD}
    answer = signed_in.post("/account/second-factor", form)
    codes = re.findall(r'<li class="code">([A-Z2-7-]{19})</li>', answer.text)
    assert len(set(codes)) == 10
    assert SecondFactor.objects.get().user.username == "alice"
    assert AuditEvent.objects.filter(action="factor.set-up", actor="alice").exists()
    assert "otpauth" not in signed_in.get("/account/second-factor").text
    other = Client()
    assert give_password(other)["Location"] == "/sign-in/code"
    assert give_code(other, codes[0]).status_code == 302


@pytest.mark.parametrize("wrong", ["code", "password"])
def test_with_a_wrong_code_or_password_nothing_is_set_up(signed_in, wrong):
    phone = Authenticator(shown_key(signed_in.get("/account/second-factor")))
    form = {"code": phone.code(), "password": PASSWORD, wrong: "000000"}
    answer = signed_in.post("/account/second-factor", form)
    assert answer.status_code == 400
    assert f"{wrong} is wrong" in answer.text
    assert not SecondFactor.objects.exists()


def test_who_came_by_the_provider_sets_none_up(stranger, alice):
    backend = "tasks.access.backends.ProviderBackend"
    stranger.force_login(alice, backend=backend)
    for page in (
        stranger.get("/account"),
        stranger.get("/account/second-factor"),
        stranger.post("/account/second-factor", {"code": "1", "password": PASSWORD}),
    ):
        assert "asks for a second factor where it wants one" in page.text
    assert not SecondFactor.objects.exists()


# --- Removing it --------------------------------------------------------------------


def removes(client, **form):
    form = {"remove": "yes", **form}
    return client.post("/account/second-factor", form)


def test_removing_takes_password_and_code(signed_in, alice):
    new = NewKey.made()
    phone = Authenticator(new.key)
    confirm(alice, new, phone.code(-1), Actor("alice"))
    assert removes(signed_in).status_code == 400
    assert removes(signed_in, password=PASSWORD).status_code == 400
    assert removes(signed_in, code=phone.code()).status_code == 400
    assert removes(signed_in, password=PASSWORD, code="000000").status_code == 400
    assert SecondFactor.objects.exists()
    answer = removes(signed_in, password=PASSWORD, code=phone.code())
    assert answer["Location"] == "/account"
    assert not RecoveryCode.objects.exists()
    assert actions()[-1] == "factor.remove"
    assert give_password(Client())["Location"] == "/history"


def renews(client, **form):
    return client.post("/account/second-factor", {"renew": "yes", **form})


def test_new_recovery_codes_take_password_and_code_and_end_the_old(signed_in, alice):
    new = NewKey.made()
    phone = Authenticator(new.key)
    (old, *_others) = confirm(alice, new, phone.code(-1), Actor("alice"))
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert renews(signed_in, code=phone.code()).status_code == 400
    assert renews(signed_in, password=PASSWORD).status_code == 400
    assert set(RecoveryCode.objects.values_list("digest", flat=True)) == digests

    answer = renews(signed_in, password=PASSWORD, code=phone.code())
    assert "The old codes no longer work." in answer.text
    given = re.findall('<li class="code">(.*?)</li>', answer.text)
    assert len(set(given)) == RecoveryCode.objects.count() == 10
    assert actions()[-1] == "factor.recovery-codes"
    assert use(alice, old, Actor("alice")) is None
    assert [use(alice, code, Actor("alice")) for code in given] == 10 * [
        "recovery-code"
    ]


def test_none_are_made_for_a_second_factor_that_is_gone(alice):
    assert renew_recovery_codes(alice, Actor("alice")) == []
    assert not AuditEvent.objects.exists()


# --- Where it is required -----------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "group", "led"),
    [
        ("admin", "admin", True),
        ("admin", "operator", False),
        ("all", "viewer", True),
        ("off", "admin", False),
    ],
)
def test_who_must_have_one_is_led_to_it(stranger, settings, setting, group, led):
    settings.REQUIRE_SECOND_FACTOR = setting
    user = UserFactory(username="olaf", is_staff=True, group=group)
    user.set_password(PASSWORD)
    user.save()
    answer = give_password(stranger, "olaf")
    assert answer["Location"] == ("/sign-in/second-factor" if led else "/history")
    assert is_signed_in(stranger) is not led


def test_and_is_signed_in_once_it_is_set_up(stranger, settings):
    settings.REQUIRE_SECOND_FACTOR = "all"
    give_password(stranger)
    page = stranger.get("/sign-in/second-factor")
    before = stranger.session.session_key
    form = {"code": Authenticator(shown_key(page)).code()}
    answer = stranger.post("/sign-in/second-factor", form)
    assert "Keep these recovery codes" in answer.text
    assert 'href="/history"' in answer.text
    assert is_signed_in(stranger)
    assert stranger.session.session_key != before
    assert stranger.get("/history").status_code == 200


def test_sessions_from_before_it_was_required_are_nobody_s(signed_in, settings, alice):
    credential = Credential(session_key=signed_in.session.session_key)
    assert signed_in.get("/history").status_code == 200
    assert ended_among([credential]) == set()
    settings.REQUIRE_SECOND_FACTOR = "admin"
    assert signed_in.get("/history").status_code == 302
    assert signed_in.get("/api/tasks").status_code == 401
    assert signed_in.get("/admin/").status_code == 302
    assert ended_among([credential]) == {credential}


def test_those_of_the_provider_go_on(stranger, alice, settings):
    settings.REQUIRE_SECOND_FACTOR = "all"
    stranger.force_login(alice, backend="tasks.access.backends.ProviderBackend")
    assert stranger.get("/history").status_code == 200
    credential = Credential(session_key=stranger.session.session_key)
    assert ended_among([credential]) == set()


# --- Lost ---------------------------------------------------------------------------


def test_the_shell_resets_it(phone, stranger, capsys):
    call_command("reset_second_factor", "alice")
    assert "alice signs in without a second factor now." in capsys.readouterr().out
    assert AuditEvent.objects.filter(action="factor.reset", target="alice").exists()
    assert give_password(stranger)["Location"] == "/history"


def test_and_names_who_has_one(phone):
    with pytest.raises(CommandError, match=r"'bert' is no account.*: alice"):
        call_command("reset_second_factor", "bert")
    UserFactory(username="bert")
    with pytest.raises(CommandError, match="'bert' has no second factor"):
        call_command("reset_second_factor", "bert")


@pytest.fixture
def reset(person):
    def reset(client, user, **more):
        form = {"action": "reset_second_factor", "_selected_action": [user.pk], **more}
        return client.post(reverse("admin:auth_user_changelist"), form, follow=True)

    return reset


def test_an_admin_resets_somebody_s_after_a_question(phone, alice, person, reset):
    other = person("admin", "ada")
    page = reset(other, alice)
    assert "Be sure that it is really them who asks" in page.text
    assert SecondFactor.objects.exists()
    page = reset(other, alice, sure="yes")
    assert "The second factor of alice is reset." in page.text
    event = AuditEvent.objects.get(action="factor.reset")
    assert (event.actor, event.target) == ("ada", "alice")


def test_but_not_one_s_own_nor_a_superuser_s(phone, alice, person, reset):
    client = Client()
    client.force_login(alice)
    page = reset(client, alice, sure="yes")
    assert "Your own second factor you remove under" in page.text
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    page = reset(person("admin", "ada"), alice, sure="yes")
    assert "Only a superuser resets the second factor of alice." in page.text
    assert SecondFactor.objects.exists()
    assert reset(person("viewer"), alice, sure="yes").status_code == 403
