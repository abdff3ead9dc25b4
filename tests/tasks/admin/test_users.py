"""People and groups in the admin."""

import pytest
from django.contrib.auth.models import Group, Permission, User

pytestmark = pytest.mark.django_db

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"


def test_nobody_makes_up_when_somebody_signed_in(root, alice):
    page = root.get(f"{USERS}{alice.pk}/change/").text
    assert 'name="username"' in page
    assert 'name="last_login_0"' not in page
    form = {"username": "alice", "last_login_0": "2020-01-01", "last_login_1": "00:00"}
    root.post(f"{USERS}{alice.pk}/change/", form)
    assert User.objects.get(pk=alice.pk).last_login == alice.last_login


def test_permissions_are_ticked(root):
    view = Permission.objects.get(codename="view_task")
    page = root.get(f"{GROUPS}add/").text
    assert f'<input type="checkbox" name="permissions" value="{view.pk}"' in page
    root.post(f"{GROUPS}add/", {"name": "onlookers", "permissions": [view.pk]})
    assert list(Group.objects.get().permissions.all()) == [view]


def test_permissions_are_named_in_the_readers_language(root):
    labels = {
        "en": ("Tasks | task | may look at", "Tasks | API key | may change"),
        "zh-hans": ("任务 | 任务 | 可查看", "任务 | API 密钥 | 可修改"),
    }
    for language, expected in labels.items():
        page = root.get(f"{GROUPS}add/", headers={"Accept-Language": language}).text
        for label in expected:
            assert label in page
        assert "Can add" not in page


def test_a_permission_of_no_known_act_has_its_own_name(root):
    kind = Permission.objects.get(codename="view_task").content_type
    Permission.objects.create(content_type=kind, codename="sing", name="Can sing")
    assert "task | Can sing" in root.get(f"{GROUPS}add/").text


def test_groups_are_ticked(root, alice):
    group = Group.objects.create(name="onlookers")
    form = {"username": "alice", "is_active": "on", "groups": [group.pk]}
    root.post(f"{USERS}{alice.pk}/change/", form)
    assert list(alice.groups.all()) == [group]
