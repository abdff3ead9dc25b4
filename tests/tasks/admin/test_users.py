"""People and groups in the admin: nobody raises himself."""

import pytest
from django.contrib.auth.models import Group, User

from tasks.models import AuditEvent
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"


@pytest.fixture
def boss(person):
    """In the group admin, and no superuser."""
    return person("admin", "boss")


@pytest.fixture
def owner(db):
    return UserFactory(username="owner", is_staff=True, is_superuser=True)


def account(name):
    return User.objects.get(username=name)


def form_of(user, **changes):
    form = {"username": user.username, "is_active": "on", "is_staff": "on"}
    return {**form, "groups": [group.pk for group in user.groups.all()], **changes}


def change(client, user, **changes):
    url = f"{USERS}{user.pk}/change/"
    return client.post(url, form_of(user, **changes)).status_code


def test_nobody_makes_up_when_somebody_signed_in(root, alice):
    page = root.get(f"{USERS}{alice.pk}/change/").text
    assert 'name="username"' in page
    assert 'name="last_login_0"' not in page
    form = {"username": "alice", "last_login_0": "2020-01-01", "last_login_1": "00:00"}
    root.post(f"{USERS}{alice.pk}/change/", form)
    assert User.objects.get(pk=alice.pk).last_login == alice.last_login


def test_groups_are_ticked(root, alice):
    group = Group.objects.create(name="onlookers")
    form = {"username": "alice", "is_active": "on", "groups": [group.pk]}
    root.post(f"{USERS}{alice.pk}/change/", form)
    assert list(alice.groups.all()) == [group]


def test_permissions_are_offered_nowhere(root, alice):
    for page in (f"{USERS}{alice.pk}/change/", f"{GROUPS}add/"):
        assert 'permissions"' not in root.get(page).text


def test_an_admin_makes_people_and_puts_them_into_groups(boss):
    form = {
        "username": "eve", "usable_password": "true",
        "password1": "sesame-4-eve", "password2": "sesame-4-eve",
    }  # fmt: skip
    assert boss.post(f"{USERS}add/", form).status_code == 302
    admins = Group.objects.get(name="admin")
    assert change(boss, account("eve"), groups=[admins.pk]) == 302
    assert account("eve").is_staff
    assert list(account("eve").groups.all()) == [admins]


def test_nobody_but_a_superuser_makes_superusers(boss, root):
    eve = UserFactory(username="eve", is_staff=True)
    change(boss, eve, is_superuser="on")
    change(boss, account("boss"), is_superuser="on")
    assert not User.objects.filter(is_superuser=True).exclude(username="root").exists()
    change(root, eve, is_superuser="on")
    assert account("eve").is_superuser


def test_nobody_changes_what_he_himself_may_do(boss):
    leads = Group.objects.create(name="leads")
    user = account("boss")
    assert change(boss, user, groups=[leads.pk], first_name="Bo") == 302
    user.refresh_from_db()
    assert user.first_name == "Bo"
    assert [group.name for group in user.groups.all()] == ["admin"]
    boss.post(f"{USERS}{user.pk}/change/", {"username": "boss"})
    user.refresh_from_db()
    assert user.is_active
    assert user.is_staff


def test_nobody_but_superusers_touches_superusers(boss, owner):
    before = User.objects.values().get(pk=owner.pk)
    base = f"{USERS}{owner.pk}"
    password = {"password1": "sesame-4-me", "password2": "sesame-4-me"}
    password["usable_password"] = "true"
    assert change(boss, owner, email="me@evil.example") == 403
    assert boss.get(f"{base}/password/").status_code == 403
    assert boss.post(f"{base}/password/", password).status_code == 403
    assert boss.post(f"{base}/delete/", {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [owner.pk], "post": "yes"}
    boss.post(USERS, form)
    assert User.objects.values().get(pk=owner.pk) == before


def test_nobody_deletes_himself(boss):
    user = account("boss")
    form = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    boss.post(USERS, form)
    boss.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})
    assert account("boss")


@pytest.mark.parametrize("group", ["viewer", "operator", None])
def test_who_is_no_admin_changes_nobody(person, group):
    client = person(group, "eve")
    admins = Group.objects.get(name="admin")
    assert change(client, account("eve"), groups=[admins.pk]) == 403
    assert client.post(f"{USERS}add/", {"username": "x"}).status_code == 403
    assert client.post(f"{GROUPS}add/", {"name": "x"}).status_code == 403
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["viewer", "operator", "admin"])
def test_the_given_groups_stay_as_they_are(root, name):
    group = Group.objects.get(name=name)
    assert root.post(f"{GROUPS}{group.pk}/change/", {"name": "x"}).status_code == 403
    root.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"})
    form = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    root.post(GROUPS, form)
    assert Group.objects.get(pk=group.pk).name == name


def test_other_groups_come_and_go(boss):
    boss.post(f"{GROUPS}add/", {"name": "leads"})
    leads = Group.objects.get(name="leads")
    boss.post(f"{GROUPS}{leads.pk}/delete/", {"post": "yes"})
    assert not Group.objects.filter(name="leads").exists()


def test_what_is_done_to_people_is_in_the_audit_trail(boss):
    eve = UserFactory(username="eve")
    viewers = Group.objects.get(name="viewer")
    change(boss, eve, groups=[viewers.pk])
    boss.post(f"{USERS}{eve.pk}/delete/", {"post": "yes"})
    changed, deleted = AuditEvent.objects.filter(action__startswith="user.").order_by(
        "pk"
    )
    assert (changed.actor, changed.action, changed.target) == (
        "boss",
        "user.change",
        "eve",
    )
    assert changed.details == {"may": ["active", "staff"], "groups": ["viewer"]}
    assert (deleted.action, deleted.target) == ("user.delete", "eve")


def test_a_password_set_for_somebody_is_in_the_audit_trail(boss):
    eve = UserFactory(username="eve")
    form = {
        "password1": "sesame-4-eve", "password2": "sesame-4-eve",
        "usable_password": "true", "set-password": "x",
    }  # fmt: skip
    assert boss.post(f"{USERS}{eve.pk}/password/", form).status_code == 302
    assert AuditEvent.objects.get(action="user.change").target == "eve"
