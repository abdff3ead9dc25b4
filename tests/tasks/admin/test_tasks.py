"""Tasks in the admin: everything is seen, little can be done, all of it recorded."""

import re
from datetime import timedelta
from functools import partial

import pytest

from tasks.models import AuditEvent, Task
from tasks.reasons import Reason
from tests.factories import NOON, RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TASKS = "/admin/tasks/task/"


@pytest.fixture
def act(act):
    return partial(act, base=TASKS)


def test_the_list_shows_status_as_shape_and_word(root):
    TaskFactory(status=Task.Status.CANCELLED)
    assert "⊘ cancelled" in root.get(TASKS).text


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


def test_a_summary_is_shown_as_on_the_tasks_own_page(root):
    task = TaskFactory(status="completed", summary="# v885", summary_bytes=6)
    html = root.get(f"{TASKS}{task.pk}/change/").text
    assert '<div class="markdown"><h3>v885</h3></div>' in html


def test_a_task_of_many_lines_shows_its_tail_only(root):
    task = TaskFactory(status=Task.Status.RUNNING)
    write_log(task, *(f"line {n}" for n in range(1, 301)))
    html = root.get(f"{TASKS}{task.pk}/change/").text
    assert 'id="L300"' in html
    assert 'id="L100"' not in html


def test_rerun_selected_asks_and_then_starts_each_again_the_oldest_first(root, act):
    tasks = TaskFactory.create_batch(2, status=Task.Status.FAILED)
    page = act(root, "rerun_selected", *tasks).text
    assert "Run these tasks again?" in page
    assert all(str(task.pk) in page for task in tasks)
    assert page.count("It publishes nothing; live now: ") == 2
    assert Task.objects.count() == 2
    once = {"sure": "yes", "once": "4711"}
    for _ in range(2):  # a form sent twice
        page = act(root, "rerun_selected", *reversed(tasks), **once)
        assert "2 tasks were rerun." in page.text
    new = Task.objects.filter(created_by="root").order_by("number")
    assert [task.rerun_of for task in new] == tasks


def test_a_type_that_asks_wants_each_version_typed_and_starts_all_or_nothing(root, act):
    tasks = [
        TaskFactory(type=kind, version=version, status=Task.Status.COMPLETED)
        for kind, version in (
            ("rollback", "v884"),
            ("rollback", "v885"),
            ("check-integrity", "v1"),
        )
    ]
    typed = {f"typed-{tasks[0].pk}": "v884", f"typed-{tasks[1].pk}": "v884"}
    page = act(root, "rerun_selected", *tasks, sure="yes", **typed).text
    assert "Type v885 to confirm." in page
    assert "Type v884 to confirm." not in page
    assert Task.objects.count() == 3
    typed[f"typed-{tasks[1].pk}"] = "v885"
    act(root, "rerun_selected", *tasks, sure="yes", **typed)
    assert Task.objects.filter(rerun_of__in=tasks).count() == 3


def test_rerun_selected_says_what_cannot_be_run_again(root, act):
    page = act(root, "rerun_selected", TaskFactory(type="gone", version=""))
    assert "Gone (gone) can&#x27;t be run again" in page.text


def test_cancel_selected_tells_each_outcome(root, act):
    waiting = TaskFactory(version="v1")
    running = TaskFactory(
        version="v2", status=Task.Status.RUNNING, runner=RunnerFactory()
    )
    ended = TaskFactory(version="v3", status=Task.Status.COMPLETED)
    page = act(root, "cancel_selected", waiting, running, ended).text
    assert "Cancel these tasks?" in page
    assert Task.objects.filter(cancel_requested_at=None).count() == 3
    page = act(root, "cancel_selected", waiting, running, ended, sure="yes").text
    assert "Check integrity v1 (check-integrity) is cancelled." in page
    assert "Check integrity v2 (check-integrity) is being cancelled." in page
    assert "Check integrity v3 (check-integrity) has already ended: completed." in page


def test_rerun_is_a_button_that_asks_first(root):
    task = TaskFactory(status=Task.Status.COMPLETED)
    url = f"{TASKS}{task.pk}/rerun/"
    assert url in root.get(f"{TASKS}{task.pk}/change/").text
    for question in (root.get(url), root.post(url)):
        assert "Run Check integrity v885 (check-integrity) again?" in question.text
    assert not Task.objects.filter(rerun_of=task).exists()
    answer = root.post(url, {"sure": "yes"})
    new = Task.objects.get(rerun_of=task)
    assert answer["Location"] == f"{TASKS}{new.pk}/change/"


def test_cancel_is_a_button_that_asks_first(root):
    task = TaskFactory()
    url = f"{TASKS}{task.pk}/cancel/"
    assert "Cancel Check integrity v885 (check-integrity)?" in root.post(url).text
    task.refresh_from_db()
    assert task.status == Task.Status.PENDING
    root.post(url, {"sure": "yes"})
    task.refresh_from_db()
    assert task.status == Task.Status.CANCELLED


def test_an_onlooker_sees_but_can_do_nothing(onlooker, act):
    task = TaskFactory()
    page = onlooker.get(f"{TASKS}{task.pk}/change/")
    assert page.status_code == 200
    assert "/cancel/" not in page.text
    assert onlooker.post(f"{TASKS}{task.pk}/cancel/", {"sure": "y"}).status_code == 403
    assert onlooker.post(f"{TASKS}{task.pk}/rerun/").status_code == 403
    act(onlooker, "cancel_selected", task)
    task.refresh_from_db()
    assert task.status == Task.Status.PENDING


def test_somebody_in_no_group_does_not_see_tasks(person):
    assert person(None).get(TASKS).status_code == 403


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
    assert found["stalled_since"] == "2025-11-26 15:00:00 UTC"
    assert found["forced"] == "yes"


def test_a_cancel_is_forced_by_a_button_that_asks_first(root):
    task = TaskFactory(status=Task.Status.RUNNING, runner=RunnerFactory())
    url = f"{TASKS}{task.pk}/cancel/"
    root.post(url, {"sure": "yes"})
    assert ">Force stop</button>" in root.get(f"{TASKS}{task.pk}/change/").text
    question = root.post(url, {"force": "yes"}).text
    assert "Force-stop Check integrity v885 (check-integrity)?" in question
    task.refresh_from_db()
    assert not task.cancel_forced
    root.post(url, {"force": "yes", "sure": "yes"})
    task.refresh_from_db()
    assert task.cancel_forced
    assert f'action="{url}"' not in root.get(f"{TASKS}{task.pk}/change/").text


def test_pinned_is_what_is_pinned_by_button_and_by_action(root, act):
    first, second = TaskFactory.create_batch(2)
    root.post(f"{TASKS}{first.pk}/pin/")
    page = act(root, "pin_selected", first, second)
    assert "1 task is pinned and will not be deleted." in page.text
    assert Task.objects.filter(pinned=True).count() == 2
    root.post(f"{TASKS}{first.pk}/pin/", {"no": "yes"})
    page = act(root, "unpin_selected", first, second)
    assert "1 task is no longer pinned." in page.text
    assert not Task.objects.filter(pinned=True).exists()
    events = AuditEvent.objects.order_by("pk").values_list("action", "target")
    names = ["pin", "pin", "unpin", "unpin"]
    ids = [str(task.pk) for task in (first, second, first, second)]
    assert list(events) == list(zip(names, ids, strict=True))


def test_no_link_changes_anything(root):
    task = TaskFactory(status=Task.Status.RUNNING, runner=RunnerFactory())
    before = Task.objects.values().get()
    for name in ("rerun", "cancel", "pin"):
        root.get(f"{TASKS}{task.pk}/{name}/?sure=yes&force=yes")
    for action in ("rerun_selected", "cancel_selected", "pin_selected"):
        root.get(f"{TASKS}?action={action}&_selected_action={task.pk}")
    assert Task.objects.values().get() == before
    assert not AuditEvent.objects.exists()


def test_every_change_takes_a_csrf_token(root):
    task = TaskFactory(status=Task.Status.COMPLETED)
    root.handler.enforce_csrf_checks = True
    for path in (f"{task.pk}/rerun/", f"{task.pk}/cancel/", f"{task.pk}/pin/", ""):
        form = {"action": "pin_selected", "_selected_action": [task.pk], "sure": "yes"}
        assert root.post(f"{TASKS}{path}", form).status_code == 403, path
    assert Task.objects.filter(pinned=False).count() == 1
    assert not AuditEvent.objects.exists()


def test_a_task_shows_who_did_what_to_it_and_from_where(root):
    task = TaskFactory(status=Task.Status.COMPLETED)
    other = TaskFactory()
    for target, who in ((task, "mallory"), (other, "trent")):
        AuditEvent.objects.create(
            actor=who, action="cancel", target=str(target.pk), address="10.1.2.3"
        )
    fields = root.get(f"{TASKS}{task.pk}/change/").text
    assert re.search("mallory</td><td>10.1.2.3</td><td>task cancelled</td>", fields)
    assert "trent" not in fields


def test_a_task_shows_the_whole_chain_of_reruns(root):
    first = TaskFactory(status=Task.Status.FAILED)
    second = TaskFactory(status=Task.Status.FAILED, rerun_of=first)
    third = TaskFactory(rerun_of=second)
    alone = TaskFactory()
    page = root.get(f"{TASKS}{second.pk}/change/").text
    chain = page[page.index("field-chain") :]
    places = [chain.index(f">{str(task.pk)[:8]}<") for task in (first, second, third)]
    assert places == sorted(places)
    assert f'href="{TASKS}{first.pk}/change/"' in chain
    assert f'href="{TASKS}{third.pk}/change/"' in chain
    assert str(alone.pk)[:8] not in page


def test_the_admin_speaks_chinese(root, act):
    root.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})
    reason = Reason("timed-out", seconds=9)
    gone = TaskFactory(
        type="gone",
        status=Task.Status.FAILED,
        error=str(reason),
        error_reason=reason.as_json(),
    )
    html = root.get(f"{TASKS}{gone.pk}/change/").text
    assert "任务运行超过 9 秒，已超时。" in html
    assert "Timed out after 9" not in html
    assert "Cancel requested by" not in html
    assert "没有名为“gone”的任务类型" in act(root, "rerun_selected", gone).text
    html = root.get(TASKS).text
    assert "资源同步" in html
    assert "重跑所选任务" in html


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_moments_are_shown_to_the_second_and_in_their_zone(root, language):
    task = TaskFactory(status="completed", created_at=NOON.replace(second=7))
    headers = {"Accept-Language": language}
    page = root.get(f"{TASKS}{task.pk}/change/", headers=headers).text
    assert "2025-11-26 12:00:07 UTC" in page


def test_a_rerun_of_a_task_with_secrets_says_that_they_are_needed(
    root, act, use_task_types
):
    use_task_types(
        '[a]\n[a.params.token]\nsecret = true\n[[a.steps]]\ncommand = ["true"]\n'
    )
    task = TaskFactory(type="a", version="", params={"token": "***"}, status="failed")
    page = root.post(f"{TASKS}{task.pk}/rerun/", follow=True).text
    assert "run again: token: It is secret, so it has to be given again." in page
    act(root, "rerun_selected", task)
    assert Task.objects.count() == 1
