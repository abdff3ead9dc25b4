"""Django's admin: everything is seen, little can be done, all of it recorded."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation

from tasks.models import ApiKey, AuditEvent, Task
from tests.factories import (
    NOON,
    ApiKeyFactory,
    RunnerFactory,
    TaskFactory,
    UserFactory,
    write_log,
)

pytestmark = pytest.mark.django_db

TASKS = "/admin/tasks/task/"
KEYS = "/admin/tasks/apikey/"


@pytest.fixture(autouse=True)
def _english():
    """A request leaves its language behind in the thread; the next test is spared."""
    with translation.override("en"):
        yield


@pytest.fixture
def root():
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def onlooker(alice):
    """May view tasks and keys, and change nothing."""
    alice.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(alice)
    return client


def act(client, action, *rows, base=TASKS):
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(base, form, follow=True)


def test_the_list_shows_status_as_shape_and_word(root):
    TaskFactory(status=Task.Status.CANCELLED)
    assert "⊘ cancelled" in root.get(TASKS).text


@pytest.mark.parametrize("query", ["q=v885", "status__exact=failed", "type=full-sync"])
def test_the_list_is_searched_and_filtered(root, query):
    TaskFactory(version="v885", status=Task.Status.FAILED, type="full-sync")
    TaskFactory(version="v900")
    answer = root.get(f"{TASKS}?{query}")
    assert [task.version for task in answer.context["cl"].result_list] == ["v885"]


def test_the_list_is_searched_by_id(root):
    task, _other = TaskFactory.create_batch(2)
    answer = root.get(f"{TASKS}?q={task.pk}")
    assert [row.pk for row in answer.context["cl"].result_list] == [task.pk]


def test_the_list_asks_no_query_per_task(root, django_assert_max_num_queries):
    TaskFactory.create_batch(30)
    with django_assert_max_num_queries(10):
        root.get(TASKS)


def test_nobody_adds_edits_or_deletes_a_task(root):
    task = TaskFactory()
    assert root.get(f"{TASKS}add/").status_code == 403
    assert root.post(f"{TASKS}{task.pk}/delete/").status_code == 403
    assert root.post(f"{TASKS}{task.pk}/change/", {"type": "x"}).status_code == 403


def test_a_task_shows_steps_result_and_its_log(root):
    task = TaskFactory(
        status=Task.Status.COMPLETED,
        result={
            "success": True,
            "results": [{"name": "iOS manifest", "exitCode": 0, "durationMs": 900}],
        },
    )
    write_log(task, "All files matched successfully.")
    html = root.get(f"{TASKS}{task.pk}/change/").text
    for part in (
        "900 ms",
        "&quot;exitCode&quot;: 0",
        "All files matched",
        "admin_task.js",
    ):
        assert part in html


def test_a_task_of_many_lines_shows_its_tail_only(root):
    task = TaskFactory(status=Task.Status.COMPLETED)
    write_log(task, *(f"line {n}" for n in range(1, 301)))
    html = root.get(f"{TASKS}{task.pk}/change/").text
    assert 'id="L300"' in html
    assert 'id="L100"' not in html


def test_rerun_selected_starts_each_again(root):
    tasks = TaskFactory.create_batch(2, status=Task.Status.FAILED)
    page = act(root, "rerun_selected", *tasks)
    assert "2 tasks were started again." in page.text
    assert Task.objects.filter(rerun_of__in=tasks, created_by="root").count() == 2


def test_rerun_selected_says_what_cannot_be_run_again(root):
    page = act(root, "rerun_selected", TaskFactory(type="gone", version=""))
    assert "Gone can&#x27;t be run again" in page.text


def test_cancel_selected_tells_each_outcome(root):
    waiting = TaskFactory(version="v1")
    running = TaskFactory(
        version="v2", status=Task.Status.RUNNING, runner=RunnerFactory()
    )
    ended = TaskFactory(version="v3", status=Task.Status.COMPLETED)
    page = act(root, "cancel_selected", waiting, running, ended).text
    assert "Check-integrity v1 is cancelled." in page
    assert "Check-integrity v2 is being cancelled." in page
    assert "Check-integrity v3 has already ended: completed." in page


def test_rerun_is_a_button_that_posts(root):
    task = TaskFactory(status=Task.Status.COMPLETED)
    url = f"{TASKS}{task.pk}/rerun/"
    assert url in root.get(f"{TASKS}{task.pk}/change/").text
    root.get(url)
    assert not Task.objects.filter(rerun_of=task).exists()
    answer = root.post(url)
    new = Task.objects.get(rerun_of=task)
    assert answer["Location"] == f"{TASKS}{new.pk}/change/"


def test_cancel_is_a_button_that_asks_first(root):
    task = TaskFactory()
    url = f"{TASKS}{task.pk}/cancel/"
    assert "Cancel check-integrity v885?" in root.post(url).text
    task.refresh_from_db()
    assert task.status == Task.Status.PENDING
    root.post(url, {"sure": "yes"})
    task.refresh_from_db()
    assert task.status == Task.Status.CANCELLED


def test_an_onlooker_sees_but_can_do_nothing(onlooker):
    task = TaskFactory()
    page = onlooker.get(f"{TASKS}{task.pk}/change/")
    assert page.status_code == 200
    assert "/cancel/" not in page.text
    assert onlooker.post(f"{TASKS}{task.pk}/cancel/", {"sure": "y"}).status_code == 403
    assert onlooker.post(f"{TASKS}{task.pk}/rerun/").status_code == 403
    act(onlooker, "cancel_selected", task)
    task.refresh_from_db()
    assert task.status == Task.Status.PENDING


def test_somebody_without_permissions_does_not_see_tasks(browser):
    assert browser.get(TASKS).status_code == 403


def test_secrets_are_not_shown(root, use_task_types):
    use_task_types(
        "[a]\n[a.params.token]\nsecret = true\n[a.params.site]\n"
        '[[a.steps]]\ncommand = ["true"]\n'
    )
    # In the order that PostgreSQL gives them, too.
    params = {"site": "emea", "token": "hunter2"}
    task = TaskFactory(type="a", version="", params=params)
    html = root.get(f"{TASKS}{task.pk}/change/").text
    assert "site: emea, token: ***" in html
    assert "hunter2" not in html
    assert "hunter2" not in root.get(f"/tasks/{task.pk}").text
    assert "hunter2" not in root.get(TASKS).text


def test_of_a_type_that_is_gone_nothing_that_was_given_is_shown(root):
    task = TaskFactory(type="gone", version="", params={"token": "hunter2"})
    page = root.get(f"{TASKS}{task.pk}/change/").text
    assert "token: ***" in page
    assert "hunter2" not in page
    page = root.get(f"/tasks/{task.pk}").text
    assert "***" in page
    assert "hunter2" not in page


def test_a_task_shows_its_attempt_its_silence_and_the_force(root):
    silent = NOON + timedelta(hours=3)
    task = TaskFactory(
        status=Task.Status.RUNNING, attempt=2, stalled_since=silent, cancel_forced=True
    )
    html = root.get(f"{TASKS}{task.pk}/change/").text
    fields = re.findall(
        r'class="form-row field-(\w+)".*?readonly">(.*?)</div>', html, re.S
    )
    found = dict(fields)
    assert found["attempt"] == "2"
    assert "3 p.m." in found["stalled_since"]
    assert 'alt="True"' in found["forced"]


def test_a_cancel_is_forced_by_a_button_that_asks_first(root):
    task = TaskFactory(status=Task.Status.RUNNING, runner=RunnerFactory())
    url = f"{TASKS}{task.pk}/cancel/"
    root.post(url, {"sure": "yes"})
    assert ">Force</button>" in root.get(f"{TASKS}{task.pk}/change/").text
    question = root.post(url, {"force": "yes"}).text
    assert "Force the end of check-integrity v885?" in question
    task.refresh_from_db()
    assert not task.cancel_forced
    root.post(url, {"force": "yes", "sure": "yes"})
    task.refresh_from_db()
    assert task.cancel_forced
    assert f'action="{url}"' not in root.get(f"{TASKS}{task.pk}/change/").text


def test_a_key_is_shown_once_when_it_is_made(root):
    page = root.post(f"{KEYS}add/", {"name": "unity"})
    key = ApiKey.objects.get()
    secret = page.context["secret"]
    assert page.status_code == 200
    assert secret in page.text
    assert ApiKey.objects.known_as(secret) == key
    assert secret not in root.get(KEYS).text
    assert "no-store" in page["Cache-Control"]
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.target) == ("root", "key.create", str(key))


def test_a_key_is_revoked_by_button_and_by_action(root):
    first, second = ApiKeyFactory.create_batch(2)
    root.post(f"{KEYS}{first.pk}/revoke/")
    page = act(root, "revoke_selected", first, second, base=KEYS)
    assert "was revoked before" in page.text
    assert not ApiKey.objects.usable().exists()
    events = AuditEvent.objects.values_list("action", "target").order_by("pk")
    assert list(events) == [("key.revoke", str(first)), ("key.revoke", str(second))]


def test_a_key_is_neither_edited_nor_deleted(root):
    key = ApiKeyFactory()
    assert root.post(f"{KEYS}{key.pk}/change/", {"name": "x"}).status_code == 403
    assert root.post(f"{KEYS}{key.pk}/delete/").status_code == 403
    assert key.digest not in root.get(f"{KEYS}{key.pk}/change/").text


def test_an_onlooker_revokes_and_makes_no_key(onlooker):
    key = ApiKeyFactory()
    assert onlooker.post(f"{KEYS}{key.pk}/revoke/").status_code == 403
    assert onlooker.post(f"{KEYS}add/", {"name": "x"}).status_code == 403
    assert ApiKey.objects.usable().count() == 1


def test_runners_show_whether_they_live_and_what_they_run(root):
    runner = RunnerFactory(name="mac-1")
    task = TaskFactory(status=Task.Status.RUNNING, runner=runner)
    html = root.get("/admin/tasks/runner/").text
    assert 'alt="True"' in html
    assert f"{TASKS}{task.pk}/change/" in html
    page = root.get(f"/admin/tasks/runner/{runner.pk}/change/")
    assert "build-mac" in page.text


def test_runners_show_whether_they_crashed(root):
    RunnerFactory()
    assert "✕ crashed" not in root.get("/admin/tasks/runner/").text
    runner = RunnerFactory(crashed=True)
    for path in ("", f"{runner.pk}/change/"):
        assert "✕ crashed" in root.get(f"/admin/tasks/runner/{path}").text


def test_the_audit_trail_is_read_only(root):
    event = AuditEvent.objects.create(actor="alice", action="create", target="x")
    assert "alice" in root.get("/admin/tasks/auditevent/").text
    path = f"/admin/tasks/auditevent/{event.pk}/"
    assert root.get(f"{path}change/").status_code == 200
    assert root.post(f"{path}delete/").status_code == 403
    assert root.get("/admin/tasks/auditevent/add/").status_code == 403


def test_the_admin_speaks_chinese(root):
    root.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})
    gone = TaskFactory(
        type="gone", status=Task.Status.FAILED, error="Timed out after 9 s."
    )
    html = root.get(f"{TASKS}{gone.pk}/change/").text
    assert "任务运行超过 9 秒，已超时。" in html
    assert "Timed out" not in html
    assert "Cancel requested by" not in html
    assert "没有任务类型" in act(root, "rerun_selected", gone).text
    html = root.get(TASKS).text
    assert "资源同步" in html
    assert "重跑所选任务" in html
