"""Sign-in by an OpenID provider: who comes in, as whom, and who does not."""

import time

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import include, path

from resource_sync import urls
from resource_sync.environment import SettingError
from resource_sync.single_sign_on import Provider, provider
from tasks.models import AuditEvent, Identity
from tests.factories import UserFactory
from tests.tasks.access.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    openid_provider,
)

urlpatterns = [*urls.urlpatterns, path("oidc/", include("tasks.web.single_sign_on"))]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def sso(settings):
    with openid_provider() as found:
        settings.OIDC = Provider(
            issuer=found.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            name="Studio SSO",
            scopes="openid profile email",
            groups_claim="groups",
            groups={},
        )
        yield found


def come_back(client, page="/history"):
    """The address by which the provider sends a browser back."""
    away = client.get("/oidc/sign-in", {"next": page})
    assert away.status_code == 302, away
    back = requests.get(away["Location"], allow_redirects=False, timeout=10)
    return back.headers["Location"].removeprefix("http://testserver")


def sign_in(client, page="/history"):
    return client.get(come_back(client, page))


def said(client, answer):
    """What the sign-in page says after a refusal."""
    assert answer["Location"] == "/admin/login/"
    assert "sessionid" not in client.cookies
    page = client.get("/admin/login/")
    assert page.status_code == 200  # nobody is signed in
    return page.text


def refusals():
    return list(
        AuditEvent.objects.filter(action=AuditEvent.Action.SIGN_IN_FAILED).values_list(
            "details__why", flat=True
        )
    )


# --- Who comes in -------------------------------------------------------------------


def test_the_sign_in_page_leads_to_the_provider(sso):
    page = Client().get("/admin/login/?next=/history").text
    assert "Sign in with Studio SSO" in page
    assert 'href="/oidc/sign-in?next=/history"' in page


def test_without_a_provider_there_is_none_to_sign_in_with():
    assert "Sign in with" not in Client().get("/admin/login/").text


def test_whoever_the_provider_knows_comes_in_and_finds_the_page_that_was_wanted(sso):
    sso.claims["groups"] = ["operator", "everybody"]
    client = Client()
    answer = sign_in(client)
    assert answer["Location"] == "/history"
    assert client.get("/history").status_code == 200
    user = User.objects.get(username="ada")
    assert user.is_staff
    assert not user.has_usable_password()
    assert [group.name for group in user.groups.all()] == ["operator"]
    acts = AuditEvent.objects.filter(target="ada").values_list("action", flat=True)
    assert set(acts) == {"user.add", "user.change", "sign-in"}


@pytest.mark.parametrize("page", ["https://evil.example.com", "//evil.example.com", ""])
def test_no_other_site_is_gone_to_after_a_sign_in(sso, page):
    assert sign_in(Client(), page)["Location"] == "/"


def test_the_same_person_is_the_same_account_whatever_the_name_is_by_now(sso):
    sign_in(Client())
    sso.claims["preferred_username"] = "ada.king"
    sign_in(Client())
    assert list(User.objects.values_list("username", flat=True)) == ["ada"]


def test_a_local_account_of_that_name_is_not_taken_over(sso):
    local = UserFactory(username="ada", is_staff=True, group="admin")
    sso.claims["groups"] = ["viewer"]
    client = Client()
    sign_in(client)
    theirs = Identity.objects.get().user
    assert theirs != local
    assert theirs.username == "ada@127.0.0.1"
    assert [group.name for group in local.groups.all()] == ["admin"]


def test_groups_are_those_of_the_claim_at_each_sign_in(sso):
    Group.objects.create(name="leads")
    sso.claims["groups"] = ["operator", "leads"]
    sign_in(Client())
    sso.claims["groups"] = "viewer"
    client = Client()
    sign_in(client)
    user = User.objects.get(username="ada")
    assert [group.name for group in user.groups.all()] == ["viewer"]
    change = AuditEvent.objects.filter(action="user.change").latest("id")
    assert change.details["before"] == ["leads", "operator"]
    assert change.details["after"] == ["viewer"]


def test_groups_may_have_other_names_there(sso, settings):
    ours = {"release-team": "operator", "7c9e": "admin"}
    settings.OIDC = settings.OIDC._replace(groups=ours, groups_claim="roles")
    sso.claims["roles"] = ["release-team", "viewer"]
    sign_in(Client())
    groups = User.objects.get(username="ada").groups.all()
    assert [group.name for group in groups] == ["operator"]


def test_where_the_provider_says_no_groups_they_are_managed_here(sso):
    sign_in(Client())
    User.objects.get(username="ada").groups.add(Group.objects.get(name="viewer"))
    client = Client()
    sign_in(client)
    assert client.get("/history").status_code == 200


def test_who_is_in_no_group_is_told_so(sso):
    client = Client()
    sign_in(client)
    answer = client.get("/history")
    assert answer.status_code == 403
    assert "in none of the groups" in answer.text


def test_groups_that_only_the_user_info_says_count(sso):
    sso.user_info = {"sub": sso.claims["sub"], "groups": ["viewer"]}
    client = Client()
    sign_in(client)
    assert client.get("/history").status_code == 200


def test_a_session_is_over_after_half_a_day(sso):
    client = Client()
    sign_in(client)
    assert client.session.get_expiry_age() == pytest.approx(12 * 3600, abs=60)


# --- Who does not -------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        {"aud": "another-client"},
        {"iss": "https://evil.example.com"},
        {"nonce": "another"},
        {"exp": int(time.time()) - 3600},
    ],
    ids=["audience", "issuer", "nonce", "expired"],
)
def test_an_id_token_that_is_not_for_this_sign_in_opens_nothing(sso, lie):
    sso.lies = lie
    client = Client()
    assert "Studio SSO did not sign you in" in said(client, sign_in(client))
    assert len(refusals()) == 1
    assert not User.objects.exists()


def test_a_token_of_a_key_that_the_provider_does_not_publish_opens_nothing(sso):
    sso.swap_key(is_published=False)
    client = Client()
    assert "bad_signature" in said(client, sign_in(client))
    assert not User.objects.exists()


def test_a_key_that_the_provider_changed_is_taken(sso):
    sign_in(Client())
    sso.swap_key(is_published=True)
    assert sign_in(Client())["Location"] == "/history"


def test_without_an_id_token_nobody_comes_in(sso):
    sso.id_token = False
    client = Client()
    assert "no_id_token" in said(client, sign_in(client))


def test_user_info_of_somebody_else_opens_nothing(sso):
    sso.user_info = {"sub": "somebody-else", "groups": ["admin"]}
    client = Client()
    assert "wrong_subject" in said(client, sign_in(client))


def test_a_refusal_by_the_provider_is_told(sso):
    sso.error = "access_denied"
    client = Client()
    assert "access_denied" in said(client, sign_in(client))


def test_a_sign_in_that_another_browser_began_is_nobody_s_here(sso):
    back = come_back(Client())
    client = Client()
    assert "mismatching_state" in said(client, client.get(back))


def test_an_answer_is_good_once(sso):
    client = Client()
    back = come_back(client)
    client.get(back)
    client.logout()
    assert "mismatching_state" in said(client, client.get(back))


def test_a_closed_account_stays_closed(sso):
    sign_in(Client())
    User.objects.update(is_active=False)
    client = Client()
    assert "account_inactive" in said(client, sign_in(client))


def test_a_provider_that_is_away_is_said_and_passwords_go_on(sso, settings):
    settings.OIDC = settings.OIDC._replace(issuer="http://127.0.0.1:1")
    client = Client()
    answer = client.get("/oidc/sign-in")
    assert "Studio SSO does not answer" in said(client, answer)
    UserFactory(username="root", is_staff=True, password="correct horse battery")
    form = {"username": "root", "password": "correct horse battery"}
    assert client.post("/admin/login/?next=/", form).status_code in {200, 302}


def test_a_provider_that_goes_away_in_between_is_said(sso, settings):
    client = Client()
    back = come_back(client)
    settings.OIDC = settings.OIDC._replace(issuer="http://127.0.0.1:1")
    assert "does not answer" in said(client, client.get(back))


def test_who_begins_without_end_has_to_wait(sso):
    client = Client()
    answers = [client.get("/oidc/sign-in") for _ in range(61)]
    assert answers[59]["Location"].startswith(sso.issuer)
    assert "try again in" in said(client, answers[60])


# --- Settings -----------------------------------------------------------------------

GOOD = {
    "OIDC_ISSUER": "https://sso.example.com/studio",
    "OIDC_CLIENT_ID": "sync",
    "OIDC_CLIENT_SECRET": "of-the-client",
}


def configured(monkeypatch, **more):
    for name, value in {**GOOD, **more}.items():
        monkeypatch.setenv(name, value)
    return provider()


def test_the_button_has_the_host_s_name_unless_another_is_set(monkeypatch):
    assert configured(monkeypatch).name == "sso.example.com"
    assert configured(monkeypatch, OIDC_NAME="Feishu").name == "Feishu"


def test_groups_are_read_in_pairs(monkeypatch):
    found = configured(monkeypatch, OIDC_GROUPS="release = operator, leads=leads")
    assert found.groups == {"release": "operator", "leads": "leads"}


def test_without_any_of_them_there_is_no_provider():
    assert provider() is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "http://sso.example.com"),
        ("OIDC_ISSUER", "sso.example.com"),
        ("OIDC_ISSUER", "https://sso.example.com/?a=b"),
        ("OIDC_ISSUER", ""),
        ("OIDC_CLIENT_ID", ""),
        ("OIDC_CLIENT_SECRET", ""),
        ("OIDC_SCOPES", "profile email"),
        ("OIDC_GROUPS", "release"),
        ("OIDC_GROUPS", "=operator"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_the_variable(monkeypatch, name, value):
    with pytest.raises(SettingError, match=name):
        configured(monkeypatch, **{name: value})
