"""The pages without script: what a browser gets from the server."""

import re
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone, translation

from tasks.catalog.loader import catalog
from tasks.models import Task
from tasks.presenters.task import Shown
from tasks.presenters.wording import ago_text, duration_text
from tasks.reasons import Reason
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = pytest.mark.django_db

TYPES = """
[publish]
title = "Publish"
description = "Put a version live"
confirm = true
[publish.params.version]
title = "Version"
pattern = "v[0-9]+"
[publish.params.channel]
choices = ["beta", "live"]
default = "beta"
[publish.params.token]
secret = true
required = false
[[publish.steps]]
name = "Upload"
command = ["true"]
[[publish.steps]]
name = "Switch"
command = ["true"]

[tidy]
hidden = true
[[tidy.steps]]
command = ["true"]
"""


@pytest.fixture
def own_types(use_task_types):
    use_task_types(TYPES)
    return catalog()


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/live", "/live/console", "/releases", "/live/releases"),
        *("/tasks/{id}", "/tasks/{id}/panel"),
    ],
)
def test_a_page_asks_strangers_and_non_staff_to_log_in(stranger, bob, path):
    path = path.format(id=TaskFactory().pk)
    assert stranger.get(path)["Location"] == f"/admin/login/?next={path}"
    stranger.force_login(bob)
    assert stranger.get(path).status_code == 302


@pytest.mark.parametrize(
    ("path", "back_to"),
    [
        ("/", "/?type=check-integrity"),
        ("/tasks/{id}/rerun", "/tasks/{id}/rerun"),
        ("/tasks/{id}/cancel", "/tasks/{id}/cancel"),
    ],
)
def test_a_form_posted_after_the_session_ended_leads_back_to_a_page(
    stranger, alice, path, back_to
):
    task = TaskFactory()
    login = stranger.post(path.format(id=task.pk), {"type": "check-integrity"})
    next_page = QueryDict(login["Location"].partition("?")[2])["next"]
    assert next_page == back_to.format(id=task.pk)
    assert "Nothing was done" in stranger.get(login["Location"]).text
    alice.set_password("sesame")
    alice.save()
    form = {"username": "alice", "password": "sesame"}
    page = stranger.post(login["Location"], form, follow=True)
    assert page.redirect_chain == [(back_to.format(id=task.pk), 302)]
    assert page.status_code == 200
    assert Task.objects.get() == task


def test_the_console_has_a_form_for_each_type_that_is_not_hidden(staff, own_types):
    forms = staff.get("/").context["forms"]
    assert [form.kind.name for form in forms] == ["publish"]


def test_a_form_is_made_from_the_schema(staff, own_types):
    html = staff.get("/").text
    assert 'data-pattern="v[0-9]+"' in html
    assert re.search(r'value="beta"[^>]*checked', html)
    assert 'type="password"' in html
    assert "Start Publish" in html


def test_a_deep_link_chooses_the_type_and_fills_in_the_version(staff):
    answer = staff.get("/?type=full-sync&version=v885")
    chosen = [form for form in answer.context["forms"] if form.is_chosen]
    assert [form.kind.name for form in chosen] == ["full-sync"]
    assert chosen[0].fields[0].value == "v885"


def test_a_secret_never_comes_back_into_the_form(staff, own_types):
    form = {"type": "publish", "version": "wrong", "token": "hunter2"}
    answer = staff.post("/", form)
    assert answer.status_code == 400
    assert "hunter2" not in answer.text


def test_a_posted_form_starts_the_task_and_leads_to_its_page(browser, alice):
    token = str(browser.get("/").context["csrf_token"])
    form = {"type": "check-integrity", "version": "v885", "csrfmiddlewaretoken": token}
    answer = browser.post("/", form)
    task = Task.objects.get()
    assert answer["Location"] == f"/tasks/{task.pk}"
    assert (task.params, task.created_by) == ({"version": "v885"}, "alice")
    assert task.created_from == "127.0.0.1"


def test_a_posted_form_without_the_token_is_refused(browser):
    answer = browser.post("/", {"type": "check-integrity", "version": "v885"})
    assert answer.status_code == 403
    assert not Task.objects.exists()


def test_a_wrong_value_is_said_beside_its_field_and_kept_there(staff):
    answer = staff.post("/", {"type": "check-integrity", "version": "885"})
    assert answer.status_code == 400
    assert "Must match the pattern v[0-9]+." in answer.text
    assert 'value="885"' in answer.text


def test_an_unknown_type_is_said_in_a_message(staff):
    answer = staff.post("/", {"type": "format-disk"})
    assert answer.status_code == 400
    assert "format-disk" in answer.text


def test_every_page_says_that_no_runner_is_alive(staff):
    task = TaskFactory()
    for path in ("/", f"/tasks/{task.pk}", "/live"):
        assert "No runner is active" in staff.get(path).text
    RunnerFactory()
    assert "No runner is active" not in staff.get("/").text


def test_a_task_page_tells_what_who_when_and_how_far(staff):
    first = TaskFactory(status=Task.Status.FAILED)
    task = TaskFactory(
        status=Task.Status.RUNNING,
        progress=40,
        step_index=2,
        step_name="Android manifest",
        rerun_of=first,
    )
    html = staff.get(f"/tasks/{task.pk}").text
    for part in (
        "40 %",
        "Step 2 of 3: Android manifest",
        "alice",
        f"/tasks/{first.pk}",
    ):
        assert part in html


def test_the_log_is_escaped_and_stands_in_the_page_without_script(staff):
    task = TaskFactory(status=Task.Status.RUNNING)
    write_log(task, "<script>alert(1)</script>", ("stderr", "careful"))
    html = staff.get(f"/tasks/{task.pk}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'id="L2" data-level="stderr"' in html


def test_a_warning_stands_out_by_mark_and_word_and_stderr_does_not(staff):
    task = TaskFactory(status=Task.Status.RUNNING)
    write_log(task, ("warning", "low disk"), ("stderr", "downloading"))
    html = staff.get(f"/tasks/{task.pk}").text
    warning = '<span class="mark" title="warning">⚠</span><span class="m" data-word='
    assert f'{warning}"Warning">low disk</span>' in html
    assert '<span class="mark" title="stderr"></span>' in html


def test_steps_come_from_the_result_and_say_which_never_ran(staff):
    task = TaskFactory(
        status=Task.Status.FAILED,
        result={
            "success": False,
            "results": [
                {"name": "iOS manifest", "exitCode": 3, "durationMs": 1500},
            ],
        },
    )
    steps = staff.get(f"/tasks/{task.pk}").context["shown"].steps
    found = [(step.name, step.label, step.exit_code, step.duration) for step in steps]
    assert found == [
        ("iOS manifest", "failed", 3, "1.5 s"),
        ("Android manifest", "not run", None, ""),
        ("Facebook manifest", "not run", None, ""),
    ]


def test_each_attempt_of_a_step_has_a_row_and_later_steps_keep_theirs(staff):
    def result(name, code, attempt):
        shown = {"name": name, "exitCode": code, "durationMs": 1500}
        return {**shown, "attempt": attempt}

    task = TaskFactory(
        status=Task.Status.CANCELLED,
        result={
            "success": False,
            "results": [
                result("iOS manifest", 3, 1),
                result("iOS manifest", 0, 2),
                result("Android manifest", 143, 1),
            ],
        },
    )
    shown = staff.get(f"/tasks/{task.pk}").context["shown"]
    found = [(step.name, step.attempt_label, step.label) for step in shown.steps]
    assert found == [
        ("iOS manifest", "attempt 1", "cancelled"),
        ("iOS manifest", "attempt 2", "completed"),
        ("Android manifest", "", "cancelled"),
        ("Facebook manifest", "", "not run"),
    ]


def test_a_task_that_is_gone_gets_a_page_that_says_so(staff):
    answer = staff.get("/tasks/00000000-0000-4000-8000-000000000000")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_who_lacks_a_right_gets_a_page_that_leads_on(person):
    answer = person("viewer").get("/admin/tasks/apikey/")
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "Your account doesn't have permission to do this." in text
    assert '<a class="act" href="/">' in text


@pytest.fixture
def root_page(staff):
    """The admin's question before a task is cancelled."""
    return lambda task: staff.post(f"/admin/tasks/task/{task.pk}/cancel/").text


def test_cancel_asks_first_and_then_cancels(staff):
    task = TaskFactory()
    assert "Cancel Check integrity v885?" in staff.get(f"/tasks/{task.pk}/cancel").text
    task.refresh_from_db()
    assert task.status == Task.Status.PENDING
    page = staff.post(f"/tasks/{task.pk}/cancel", follow=True)
    assert "Check integrity v885 (check-integrity) is cancelled." in page.text
    task.refresh_from_db()
    assert task.status == Task.Status.CANCELLED


def test_what_only_waits_is_asked_about_in_its_own_words(staff, root_page):
    for status, words, no in (
        ("pending", "so there is nothing to stop", "Keep queued"),
        ("running", "Its processes will be stopped", "Keep running"),
    ):
        task = TaskFactory(status=status)
        for question in (staff.get(f"/tasks/{task.pk}/cancel").text, root_page(task)):
            assert words in question
            assert no in question


def test_cancelling_what_has_ended_says_how_it_ended(staff):
    task = TaskFactory(status=Task.Status.COMPLETED)
    page = staff.post(f"/tasks/{task.pk}/cancel", follow=True)
    assert "has already ended: completed." in page.text


def test_a_task_of_a_type_that_is_gone_is_shown_but_not_rerun(staff):
    task = TaskFactory(type="gone", status=Task.Status.COMPLETED)
    assert staff.get(f"/tasks/{task.pk}").status_code == 200
    page = staff.post(f"/tasks/{task.pk}/rerun", {"sure": "yes"}, follow=True)
    assert "no task type" in page.text


@pytest.mark.parametrize(
    ("prepare", "why", "in_chinese"),
    [
        (
            lambda: None,
            "Waiting: no active runner accepts this type · next in the queue",
            "等待中：没有在线的执行器承接此类型 · 排在第 1 位",
        ),
        (
            RunnerFactory,
            "Starting in a moment · next in the queue",
            "即将启动 · 排在第 1 位",
        ),
        (
            lambda: RunnerFactory() and TaskFactory(),
            "Starting in a moment · position 2 in the queue",
            "即将启动 · 排在第 2 位",
        ),
    ],
)
def test_a_waiting_task_says_what_it_waits_for(prepare, why, in_chinese):
    prepare()
    task = TaskFactory()
    assert Shown(task, timezone.now()).why_waiting == why
    with translation.override("zh-hans"):
        assert Shown(task, timezone.now()).why_waiting == in_chinese


@pytest.mark.parametrize("status", ["running", "pending"])
def test_a_task_that_waits_for_a_lock_leads_to_the_one_before_it(staff, status):
    RunnerFactory()
    before = TaskFactory(status=status, type="full-sync", lock="version:v885")
    task = TaskFactory(lock="version:v885")
    link = f'<a href="/tasks/{before.pk}">Full sync v885</a>'
    for path in ("", "/panel", "/why"):
        html = staff.get(f"/tasks/{task.pk}{path}").text
        waits = f"Waiting for {link} (started by alice) to finish (same lock)"
        assert waits in html


def test_a_task_beyond_its_types_limit_says_so(use_task_types):
    use_task_types('[one]\nmax_running = 1\n[[one.steps]]\ncommand = ["true"]\n')
    RunnerFactory(concurrency=9)
    TaskFactory(type="one", status=Task.Status.RUNNING)
    task = TaskFactory(type="one")
    why = "Waiting: limit of 1 concurrent task of this type reached · next in the queue"
    assert Shown(task, timezone.now()).why_waiting == why


def now_in(html, part):
    """The words of one part of the line under a task's name; None where hidden."""
    found = re.search(rf'<span[^>]*data-part="{part}"[^>]*>([^<]*)</span>', html)
    return None if re.search(r"\shidden\s*>", found[0]) else found[1].strip()


def test_a_task_that_is_being_cancelled_says_since_when_and_by_whom(staff):
    asked_at = timezone.now() - timedelta(seconds=8)
    task = TaskFactory(
        status=Task.Status.RUNNING,
        cancel_requested_at=asked_at,
        cancel_requested_by="lin",
    )
    html = staff.get(f"/tasks/{task.pk}").text
    said = now_in(html, "cancelling")
    since = r"Cancelling \(\d+ s\), requested by lin · killed in \d s"
    assert re.fullmatch(since, said)
    assert "⊖</span>" in html
    assert ">cancelling</span>" in html
    assert re.search(r">\s*Force stop\s*</button>", html)
    assert "Cancel task</button>" not in html
    task.cancel_forced = True
    task.save()
    html = staff.get(f"/tasks/{task.pk}").text
    assert now_in(html, "cancelling").startswith("Force-stopping ")
    assert re.search(r'data-part="cancel"\s+hidden', html)


def test_a_cancel_is_forced_after_a_question(staff):
    task = TaskFactory(status=Task.Status.RUNNING, runner=RunnerFactory())
    staff.post(f"/tasks/{task.pk}/cancel")
    question = staff.get(f"/tasks/{task.pk}/cancel?force=yes").text
    assert "Force-stop Check integrity v885?" in question
    assert "killed at once, without waiting for a clean exit" in question
    task.refresh_from_db()
    assert not task.cancel_forced
    page = staff.post(f"/tasks/{task.pk}/cancel", {"force": "yes"}, follow=True)
    assert "Check integrity v885 (check-integrity) is being cancelled." in page.text
    task.refresh_from_db()
    assert task.cancel_forced


def test_a_task_whose_step_is_silent_says_since_when(staff):
    since = timezone.now() - timedelta(seconds=250)
    task = TaskFactory(status=Task.Status.RUNNING, stalled_since=since)
    said = now_in(staff.get(f"/tasks/{task.pk}").text, "stalled")
    assert said == f"No output since {since:%H:%M:%S} (4 m 10 s)"
    task = TaskFactory(status=Task.Status.RUNNING)
    assert now_in(staff.get(f"/tasks/{task.pk}").text, "stalled") is None


def test_what_has_ended_is_neither_silent_nor_being_cancelled(staff):
    task = TaskFactory(
        status=Task.Status.CANCELLED,
        stalled_since=timezone.now(),
        cancel_requested_at=timezone.now(),
        cancel_requested_by="lin",
    )
    html = staff.get(f"/tasks/{task.pk}").text
    assert now_in(html, "stalled") is None
    assert now_in(html, "cancelling") is None


def facts_in(html):
    """What a task's page says beside its log."""
    return html[html.index('data-part="facts"') : html.index('class="log-box"')]


def test_a_second_attempt_is_named_and_explained(staff):
    task = TaskFactory(status=Task.Status.RUNNING, attempt=2)
    html = staff.get(f"/tasks/{task.pk}").text
    assert now_in(html, "attempt") == "Attempt 2"
    assert html.count("so the task was queued again") == 2
    first = staff.get(f"/tasks/{TaskFactory().pk}").text
    assert now_in(first, "attempt") is None
    assert "so the task was queued again" not in facts_in(first)


def test_the_language_is_switched_by_a_form_and_kept(staff):
    staff.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})
    html = staff.get("/").text
    assert '<html lang="zh-hans">' in html
    assert "启动 检查完整性" in html


def test_why_a_task_ended_is_said_in_the_readers_language(staff):
    reason = Reason("step-failed", step="iOS manifest", exitCode=3)
    error, stored = str(reason), reason.as_json()
    task = TaskFactory(status=Task.Status.FAILED, error=error, error_reason=stored)
    chinese = {"Accept-Language": "zh-hans"}
    for path in (f"/tasks/{task.pk}", f"/tasks/{task.pk}/panel"):
        assert error in staff.get(path).text
        html = staff.get(path, headers=chinese).text
        assert "步骤“iOS 清单”失败，退出码 3。" in html
        assert error not in html
    page = staff.post("/", {"type": "format-disk"}, headers=chinese)
    assert "没有名为“format-disk”的任务类型" in page.text


def test_no_page_has_a_script_or_style_that_its_policy_refuses(staff):
    task = TaskFactory(status=Task.Status.RUNNING)
    for path in ("/", f"/tasks/{task.pk}", "/sign-in/MQ/wrong"):
        html = staff.get(path).text
        assert " style=" not in html
        assert "<style" not in html
        assert " onclick=" not in html
        assert "<script>" not in html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "840 ms"),
        (1.6, "1.6 s"),
        (12.9, "12 s"),
        (134, "2 m 14 s"),
        (3900, "1 h 5 m"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (3, "just now", "刚刚"),
        (42, "42 s ago", "42 秒前"),
        (180, "3 min ago", "3 分钟前"),
        (7300, "2 h ago", "2 小时前"),
        (86400, "1 day ago", "1 天前"),
        (200000, "2 days ago", "2 天前"),
    ],
)
def test_ages_are_said_as_people_say_them(seconds, english, chinese):
    now = timezone.now()
    then = now - timedelta(seconds=seconds)
    assert ago_text(then, now) == english
    with translation.override("zh-hans"):
        assert ago_text(then, now) == chinese
