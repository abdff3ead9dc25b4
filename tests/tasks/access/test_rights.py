"""Rights: the same at every door, from the groups of a person."""

import re
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver

from tasks.access.rights import PERMISSIONS, ensure_groups, rights_of, watchers
from tasks.models import ApiKey, AuditEvent, Task
from tests.factories import ApiKeyFactory, TaskFactory, UserFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db
VERSION = {"version": "v885"}
JSON = "application/json"
ALL = ("viewer", "operator", "admin")


# --- The groups ---------------------------------------------------------------------


def test_every_installation_has_the_three_groups():
    assert set(ALL) <= set(Group.objects.values_list("name", flat=True))


def test_a_deleted_group_comes_back_with_the_next_migrate():
    Group.objects.filter(name="viewer").delete()
    call_command("migrate", "tasks", verbosity=0)
    viewer = Group.objects.get(name="viewer")
    names = viewer.permissions.values_list("codename", flat=True)
    assert set(names) == PERMISSIONS["viewer"]


@pytest.mark.parametrize("name", ALL)
def test_all_permissions_of_a_group_exist(name):
    known = Permission.objects.filter(codename__in=PERMISSIONS[name])
    assert known.count() == len(PERMISSIONS[name])


def test_of_several_groups_the_greatest_counts():
    user = UserFactory(is_staff=True, group="viewer")
    assert str(rights_of(user)) == "viewer"
    user.groups.add(Group.objects.get(name="operator"))
    assert str(rights_of(user)) == "operator"
    user.groups.add(Group.objects.create(name="leads"))
    assert str(rights_of(user)) == "operator"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"is_staff": True, "is_superuser": True}, "admin"),
        ({"is_staff": True}, ""),
        ({"is_staff": True, "group": "admin", "is_active": False}, ""),
        ({"is_staff": False, "group": "admin"}, ""),
        ({"is_staff": True, "is_superuser": True, "is_active": False}, ""),
    ],
)
def test_only_active_staff_have_rights(more, expected):
    user = UserFactory(**more)
    assert str(rights_of(user)) == expected
    assert watchers().filter(pk=user.pk).exists() == bool(expected)


@pytest.mark.parametrize("group", ALL)
def test_watchers_are_those_of_any_group_and_each_once(group):
    user = UserFactory(is_staff=True, group=group)
    user.groups.add(*Group.objects.all())
    assert list(watchers()) == [user]


def test_a_permission_given_alone_opens_nothing(person):
    client = person(None)
    User.objects.get(username="nobody-1").user_permissions.set(Permission.objects.all())
    assert client.get("/admin/tasks/task/").status_code == 403


# --- The upgrade --------------------------------------------------------------------


def upgrade():
    migration = import_module("tasks.migrations.0012_groups_of_people")
    migration.make_groups(apps, SimpleNamespace(connection=connection))
    ensure_groups()


def test_at_the_upgrade_staff_become_operators_and_nobody_more():
    Group.objects.all().delete()
    staff = UserFactory(is_staff=True)
    root = UserFactory(is_staff=True, is_superuser=True)
    bob = UserFactory()
    upgrade()
    assert str(rights_of(User.objects.get(pk=staff.pk))) == "operator"
    assert not root.groups.exists()
    assert not bob.groups.exists()


def test_at_the_upgrade_a_group_that_was_called_admin_gives_no_rights():
    Group.objects.all().delete()
    staff = UserFactory(is_staff=True)
    staff.groups.add(Group.objects.create(name="admin"))
    upgrade()
    names = set(staff.groups.values_list("name", flat=True))
    assert names == {"admin (old)", "operator"}


# --- The doors: what each group may do ----------------------------------------------

# What is not simply read by whoever is in a group.
FOR_ALL = {
    "sign-in/<str:uidb64>/<str:token>", "sign-out", "i18n/setlang/",
    "health", "health/live", "health/ready", "metrics",
    "api", "api/", "api/schema", "api/docs", "^api/", "client", "client.sha256",
    # who gave a password a moment ago: tests/tasks/access/test_second_factor.py
    "sign-in/code", "sign-in/second-factor",
    # who has the link: tests/tasks/web/test_shared.py
    "shared/<str:token>", "shared/<str:token>/parts", "shared/<str:token>/logs",
    "shared/<str:token>/logs.txt",
}  # fmt: skip
FOR_SOME = {  # who may start, cancel and pin is tested below; presence is only posted
    "live/tasks/<uuid:task_id>/presence",
    # tests/tasks/web/test_shared.py
    "api/tasks/<str:id>/share", "api/tasks/<str:id>/shares", "api/shares/<str:id>",
    # tests/tasks/approvals/test_rights.py
    "api/tasks/<str:id>/approve", "api/tasks/<str:id>/reject",
    "tasks/<uuid:task_id>/decide",
    # tests/tasks/queue
    "api/queue/pause", "api/queue/resume", "api/freezes/<str:id>", "queue/resume",
    # tests/tasks/web/test_queue.py
    "queue/pause", "queue/freeze", "queue/freezes/<uuid:freeze_id>/lift",
    # tests/tasks/web/test_schedules.py
    "schedules/<uuid:schedule_id>/pause", "schedules/<uuid:schedule_id>/resume",
    "schedules/<uuid:schedule_id>/run-now",
    # tests/tasks/api/test_webhooks.py
    "api/webhooks", "api/webhooks/<str:id>", "api/webhooks/<str:id>/enable",
    "api/webhooks/<str:id>/disable", "api/webhooks/<str:id>/test",
    "api/webhooks/<str:id>/deliveries",
    "api/webhooks/<str:id>/deliveries/<int:delivery>/resend",
    "live/plan", "tasks/<uuid:task_id>/rerun", "tasks/<uuid:task_id>/cancel",
    "api/tasks/<str:id>/cancel", "api/tasks/<str:id>/rerun", "api/tasks/<str:id>/pin",
    # tests/tasks/api/bulk, tests/tasks/web/test_bulk.py
    "api/tasks/cancel", "api/tasks/rerun", "tasks/cancel", "tasks/rerun",
}  # fmt: skip
STREAMS = {"api/events", "api/streams", "api/tasks/<str:id>/stream"}  # before Django
# It takes two versions: tests/tasks/api/test_changes.py.
OF_VERSIONS = {"api/releases/<str:platform>/changes"}
# tests/tasks/api/test_schedules.py asks these of a schedule.
OF_SCHEDULES = {
    f"api/schedules/<str:id>{act}" for act in ("", "/pause", "/resume", "/run-now")
}
NOT_READ = FOR_ALL | FOR_SOME | STREAMS | OF_VERSIONS | OF_SCHEDULES


def routes(patterns, before=""):
    """Every path of the URL conf outside the admin, as it is written there."""
    for pattern in patterns:
        route = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield route
        elif route != "admin/":
            yield from routes(pattern.url_patterns, route)


def some_path(route):
    """A path of such a route, with what visit() fills in."""
    route = re.sub("<uuid:task_id>|<str:(id|type)>", "{task}", route)
    return route.replace("<str:platform>", "ios").replace("/matches", "/matches?q=x")


ROUTES = list(routes(get_resolver().url_patterns))
READ = [
    *(f"/{some_path(route)}" for route in ROUTES if route not in NOT_READ),
    "/admin/", "/admin/tasks/", "/admin/tasks/task/", "/admin/tasks/task/export/",
    "/admin/tasks/task/{task}/change/", "/admin/tasks/task/{task}/history/",
    "/admin/tasks/runner/", "/admin/tasks/schedule/",
]  # fmt: skip
MANAGED = [
    "/admin/auth/user/", "/admin/auth/user/add/", "/admin/auth/user/{user}/change/",
    "/admin/auth/user/{user}/password/", "/admin/auth/user/{user}/delete/",
    "/admin/auth/group/", "/admin/auth/group/add/",
    "/admin/tasks/apikey/", "/admin/tasks/apikey/add/",
    "/admin/tasks/apikey/{key}/change/",
    "/admin/tasks/auditevent/", "/admin/tasks/auditevent/export/",
    "/admin/tasks/webhook/", "/admin/tasks/webhook/add/",
    "/admin/tasks/webhookdelivery/",
]  # fmt: skip


def visit(client, path):
    found = {"task": Task.objects.first() or TaskFactory(status="completed")}
    found["user"] = User.objects.filter(username="other").first() or UserFactory(
        username="other"
    )
    found["key"] = ApiKey.objects.first() or ApiKeyFactory()
    return client.get(path.format(**{name: row.pk for name, row in found.items()}))


def test_each_path_that_is_not_simply_read_is_there():
    assert set(ROUTES) >= NOT_READ


def test_each_list_of_the_admin_has_its_readers():
    models = [model._meta for model in admin.site._registry]
    lists = {f"/admin/{model.app_label}/{model.model_name}/" for model in models}
    assert lists <= {*READ, *MANAGED}


@pytest.mark.parametrize("path", READ)
def test_every_group_sees_tasks_and_who_is_in_none_sees_nothing(person, path):
    for group in ALL:
        assert visit(person(group), path).status_code == 200, group
    assert visit(person(None), path).status_code == 403


@pytest.mark.parametrize("path", MANAGED)
def test_people_keys_and_the_audit_trail_are_for_admin(person, path):
    assert visit(person("admin"), path).status_code == 200
    for group in ("viewer", "operator", None):
        assert visit(person(group), path).status_code == 403, group


def starts(client, kind):
    """The task that each door makes, or None, by API, console and both reruns."""
    first = TaskFactory(type=kind, status="completed", params=VERSION)
    again = f"/api/tasks/{first.pk}/rerun"
    form = {"type": kind, "typed-again": "v885", **VERSION}
    sure = {"sure": "yes", f"typed-{first.pk}": "v885"}
    confirmed = {"confirm": "v885"}
    for ask in (
        lambda: client.post(f"/api/tasks/{kind}", VERSION, content_type=JSON),
        lambda: client.post(again, confirmed, content_type=JSON),
        lambda: client.post("/", form),
        lambda: client.post(f"/tasks/{first.pk}/rerun", sure),
        lambda: client.post(f"/admin/tasks/task/{first.pk}/rerun/", sure),
        lambda: client.post(
            "/admin/tasks/task/",
            {"action": "rerun_selected", "_selected_action": [first.pk], **sure},
        ),
    ):
        before = Task.objects.count()
        ask()
        yield Task.objects.count() > before


@pytest.mark.parametrize(
    ("group", "kind", "expected"),
    [
        (None, "check-integrity", False),
        ("viewer", "check-integrity", False),
        ("operator", "check-integrity", True),
        ("admin", "check-integrity", True),
        (None, "rollback", False),
        ("viewer", "rollback", False),
        ("operator", "rollback", False),
        ("admin", "rollback", True),
    ],
)
def test_who_starts_what_is_the_same_at_every_door(person, group, kind, expected):
    assert set(starts(person(group), kind)) == {expected}


OF_LEADS = """
[publish]
allow = ["leads", "ios"]
confirm = true
[publish.params.version]
pattern = "v[0-9]+"
[[publish.steps]]
command = ["true"]

[count]
[count.params.version]
[[count.steps]]
command = ["true"]
"""


def among(user, *groups):
    for name in groups:
        user.groups.add(Group.objects.get_or_create(name=name)[0])
    return user


@pytest.mark.parametrize(
    ("groups", "publish", "count"),
    [
        (["operator"], False, True),
        (["operator", "art"], False, True),
        (["operator", "leads"], True, True),
        (["viewer"], False, False),
        (["viewer", "ios"], True, False),
        (["leads"], False, False),
        (["admin"], True, True),
    ],
)
def test_a_type_is_started_by_the_groups_that_it_allows(
    person, use_task_types, groups, publish, count
):
    use_task_types(OF_LEADS)
    client = person(None, "me")
    among(User.objects.get(username="me"), *groups)
    assert set(starts(client, "publish")) == {publish}
    assert set(starts(client, "count")) == {count}


@pytest.mark.parametrize(
    ("scope", "publish", "count"),
    [
        ("start", False, True),
        ("start:publish", True, False),
        ("start:count", False, True),
        ("admin", True, True),
    ],
)
def test_a_key_starts_such_a_type_where_it_names_it(
    use_task_types, scope, publish, count
):
    use_task_types(OF_LEADS)
    key = {"X-API-Key": ApiKeyFactory(scope=scope).secret}
    for kind, params, expected in (
        ("publish", VERSION, publish),
        ("count", VERSION, count),
    ):
        answer = Client(headers=key).post(
            f"/api/tasks/{kind}", params, content_type=JSON
        )
        assert answer.status_code == (202 if expected else 403)


def test_a_key_that_does_not_name_it_is_told_which_scope_does(use_task_types):
    use_task_types(OF_LEADS)
    client = Client(headers={"X-API-Key": ApiKeyFactory(scope="start").secret})
    answer = client.post("/api/tasks/publish", VERSION, content_type=JSON)
    assert "“start:publish”; yours has “start”" in problem_of(answer, 403)["detail"]


def test_who_is_in_none_of_its_groups_is_told_which_they_are(person, use_task_types):
    use_task_types(OF_LEADS)
    answer = person("operator").post("/api/tasks/publish", VERSION, content_type=JSON)
    detail = problem_of(answer, 403)["detail"]
    assert "“publish”: leads, ios." in detail


def test_the_account_page_says_what_somebody_may_start_and_who_else(
    person, use_task_types
):
    use_task_types(OF_LEADS)
    client = person("viewer", "me")
    among(User.objects.get(username="me"), "leads")
    page = " ".join(client.get("/account").text.split())
    assert "Your groups: leads, viewer." in page
    assert 'href="/?type=publish">publish</a>' in page
    assert "leads, ios, admin" in page
    assert "type=count" not in page
    assert "operator, admin" in page


@pytest.mark.parametrize(
    ("group", "has", "lacks"),
    [
        ("viewer", "See tasks", "Start tasks"),
        ("operator", "Start tasks", "Start everything"),
        ("admin", "Start everything", "Your groups: operator"),
    ],
)
def test_the_account_page_says_what_a_group_may(person, group, has, lacks):
    page = person(group).get("/account").text
    assert has in page
    assert lacks not in page


def test_what_somebody_of_a_group_started_is_his_to_cancel(person, use_task_types):
    use_task_types(OF_LEADS)
    client = person("viewer", "me")
    among(User.objects.get(username="me"), "leads")
    assert set(changes(client, "me", None)) == {True}
    assert set(changes(client, "you", None)) == {False}


def test_a_type_is_offered_to_its_groups_alone(person, use_task_types):
    use_task_types(OF_LEADS)
    client = person("viewer", "me")
    assert "type=publish" not in client.get("/").text
    among(User.objects.get(username="me"), "leads")
    page = client.get("/").text
    assert "type=publish" in page
    assert "type=count" not in page


def changes(client, whose, is_done):
    """Whether each door cancels and pins a task of somebody."""
    base = "/api/tasks/{0}"
    for ask in (
        lambda pk: client.post(f"{base}/cancel".format(pk)),
        lambda pk: client.post(f"/tasks/{pk}/cancel"),
        lambda pk: client.post(f"/admin/tasks/task/{pk}/cancel/", {"sure": "yes"}),
        lambda pk: client.post(
            "/admin/tasks/task/",
            {"action": "cancel_selected", "_selected_action": [pk], "sure": "yes"},
        ),
        lambda pk: client.put(f"{base}/pin".format(pk)),
        lambda pk: client.post(f"/admin/tasks/task/{pk}/pin/"),
        lambda pk: client.post(
            "/admin/tasks/task/", {"action": "pin_selected", "_selected_action": [pk]}
        ),
    ):
        task = TaskFactory(created_by=whose)
        ask(task.pk)
        task.refresh_from_db()
        yield task.pinned or task.status == "cancelled"


@pytest.mark.parametrize(
    ("group", "whose", "expected"),
    [
        (None, "me", False),
        ("viewer", "me", False),
        ("operator", "me", True),
        ("operator", "you", False),
        ("admin", "me", True),
        ("admin", "you", True),
    ],
)
def test_who_cancels_and_pins_whose_is_the_same_at_every_door(
    person, group, whose, expected
):
    assert set(changes(person(group, "me"), whose, None)) == {expected}


def test_what_is_refused_leaves_no_trace(person):
    viewer = person("viewer")
    assert not any(starts(viewer, "check-integrity"))
    assert not AuditEvent.objects.exists()


def test_the_api_says_which_group_it_takes(person):
    answer = person("viewer").post(
        "/api/tasks/check-integrity", VERSION, content_type=JSON
    )
    problem = problem_of(answer, 403)
    assert "“operator”" in problem["detail"]
    assert "“viewer”" in problem["detail"]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "in none of the groups"), ("zh-hans", "任何")]
)
@pytest.mark.parametrize("path", ["/", "/admin/", "/tasks/{task}", "/api/tasks"])
def test_who_is_in_no_group_is_told_what_is_missing_and_who_can_help(
    person, path, language, words
):
    client = person(None)
    client.cookies["django_language"] = language
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    text = visit(client, path).json()["detail"] if "api" in path else None
    text = text or visit(client, path).text
    assert words in text
    for name in ("viewer", "operator", "admin"):
        assert name in text


def test_what_somebody_loses_counts_at_once(person):
    client = person("operator")
    assert client.get("/").status_code == 200
    user = User.objects.get(username="operator-1")
    user.groups.set([Group.objects.get(name="viewer")])
    assert set(starts(client, "check-integrity")) == {False}
    user.groups.clear()
    assert client.get("/").status_code == 403
    assert client.get("/api/tasks").status_code == 403


def test_superusers_are_admin():
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert set(starts(client, "rollback")) == {True}


# --- What pages offer ---------------------------------------------------------------


def buttons(client, task):
    page = client.get(f"/tasks/{task.pk}").text
    return set(re.findall(r'data-part="(cancel|rerun)"', page))


def test_a_page_offers_what_its_reader_may_do(person):
    own, other = (TaskFactory(created_by=name) for name in ("operator-1", "bob"))
    operator = person("operator")
    assert buttons(operator, own) == {"cancel", "rerun"}
    assert buttons(operator, other) == {"rerun"}
    assert buttons(person("viewer"), own) == set()
    assert buttons(person("admin"), other) == {"cancel", "rerun"}


def test_the_console_offers_what_its_reader_may_start(person):
    def offered(group):
        page = person(group).get("/?type=rollback").text
        return set(re.findall(r'data-launch="([a-z-]+)"', page))

    assert offered("viewer") == set()
    operator, admin = offered("operator"), offered("admin")
    moving = {"publish", "promote", "rollout", "halt-rollout", "rollback"}
    assert admin - operator == {*moving, "prune"}
    assert "check-integrity" in operator


def test_the_admin_offers_what_its_reader_may_do(person):
    task = TaskFactory(created_by="bob")
    page = f"/admin/tasks/task/{task.pk}/change/"
    assert "/cancel/" not in person("operator").get(page).text
    assert "/pin/" not in person("operator", "operator-2").get(page).text
    assert "/cancel/" in person("admin").get(page).text
    assert "Audit events" not in person("viewer").get(page).text
