"""The one-time link: it opens once, for its user, and for staff only."""

from datetime import timedelta

import pytest
from django.test import Client

from tasks.access.sign_in import sign_in_link, tokens

pytestmark = pytest.mark.django_db

BASE_URL = "http://testserver"


def path_of(link):
    assert link.startswith(BASE_URL + "/")
    return link.removeprefix(BASE_URL)


def test_a_link_signs_its_user_in_and_leads_to_the_console(stranger, alice):
    answer = stranger.get(path_of(sign_in_link(alice, BASE_URL)))
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert stranger.get("/").context["user"] == alice


def test_a_link_works_once_even_within_the_same_second(stranger, alice):
    path = path_of(sign_in_link(alice, BASE_URL))
    stranger.get(path)
    second = Client()
    answer = second.get(path)
    assert answer.status_code == 403
    assert "sign-in link does not work" in answer.text
    assert second.get("/").status_code == 302


def test_a_newer_sign_in_kills_a_link_that_was_never_used(stranger, alice):
    path = path_of(sign_in_link(alice, BASE_URL))
    alice.refresh_from_db()
    stranger.get(path_of(sign_in_link(alice, BASE_URL)))
    assert Client().get(path).status_code == 403


@pytest.mark.parametrize("path", ["/sign-in/MQ/wrong", "/sign-in/%C3%BF/x-y"])
def test_a_wrong_link_says_so_and_shows_the_way_to_the_login(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "/admin/login/?next=/" in answer.text


def test_a_look_at_the_head_does_not_use_a_link_up(stranger, alice):
    path = path_of(sign_in_link(alice, BASE_URL))
    assert stranger.head(path).status_code == 405
    assert stranger.get(path).status_code == 302


@pytest.mark.parametrize("method", ["head", "options", "post", "put", "delete", "get"])
def test_no_log_has_a_link(stranger, alice, method, caplog):
    path = path_of(sign_in_link(alice, BASE_URL))
    stranger = Client(enforce_csrf_checks=True)
    secret = path.rpartition("/")[2] if method != "get" else "wrong-token"
    answer = getattr(stranger, method)(path.rpartition("/")[0] + "/" + secret)
    assert answer.status_code == (403 if method == "get" else 405)
    assert "/sign-in/…" in caplog.text
    assert secret not in caplog.text
    assert stranger.get(path).status_code == 302


def test_a_link_is_good_for_an_hour(stranger, alice, monkeypatch):
    path = path_of(sign_in_link(alice, BASE_URL))
    made = tokens._now()
    for minutes, expected in ((61, 403), (59, 302)):
        later = made + timedelta(minutes=minutes)
        monkeypatch.setattr(tokens, "_now", lambda later=later: later)
        assert stranger.get(path).status_code == expected


def test_a_link_for_somebody_who_is_not_staff_opens_nothing(stranger, bob):
    assert stranger.get(path_of(sign_in_link(bob, BASE_URL))).status_code == 403


def test_a_link_dies_with_a_new_password(stranger, alice):
    path = path_of(sign_in_link(alice, BASE_URL))
    alice.set_password("a new one")
    alice.save()
    assert stranger.get(path).status_code == 403


def test_log_out_takes_a_post(browser):
    assert browser.get("/sign-out").status_code == 405
    page = browser.get("/")
    token = page.context["csrf_token"]
    answer = browser.post("/sign-out", {"csrfmiddlewaretoken": str(token)})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert browser.get("/").status_code == 302
