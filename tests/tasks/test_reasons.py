"""Why a task ended, as a code with parameters and as a sentence in two languages."""

import re

import pytest
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext

from tasks import lifecycle
from tasks.access.actor import Actor
from tasks.models import Task
from tasks.presenters.task import Shown
from tasks.reaper import reap
from tasks.reasons import SENTENCES, Reason
from tests.factories import RunnerFactory, TaskFactory, write_log

LIN = Actor("lin")
UPLOAD = {"step": "Upload"}


def chinese(reason):
    with translation.override("zh-hans"):
        return reason.sentence(gettext, ngettext)


@pytest.mark.parametrize("template", [t for each in SENTENCES.values() for t in each])
def test_each_sentence_is_there_in_chinese_and_names_the_same(template):
    with translation.override("zh-hans"):
        translated = gettext(template)
    assert translated != template
    assert names_in(translated) == names_in(template)


def names_in(template):
    return set(re.findall(r"%\((\w+)\)s", template))


@pytest.mark.parametrize(
    ("reason", "in_english", "in_chinese"),
    [
        (
            Reason("step-failed", **UPLOAD, exitCode=3),
            "Step “Upload” failed with exit code 3.",
            "步骤“Upload”失败，退出码 3。",
        ),
        (
            Reason("step-failed", **UPLOAD, exitCode=5, reason="the disk is full"),
            "Step “Upload” failed with exit code 5: the disk is full",
            "步骤“Upload”失败，退出码 5：the disk is full",
        ),
        (
            Reason("step-killed", **UPLOAD, signal="SIGKILL", reason="no memory"),
            "Step “Upload” was killed by SIGKILL: no memory",
            "步骤“Upload”被 SIGKILL 终止：no memory",
        ),
        (
            Reason(
                "step-could-not-start",
                **UPLOAD,
                exitCode=126,
                reason=Reason(
                    "program-not-started", path="./x", cause=Reason("memory-limit")
                ),
            ),
            "Step “Upload” could not start: ./x could not be started: there is not "
            "enough memory.",
            "步骤“Upload”无法启动：./x 启动失败：内存不足。",
        ),
        (
            Reason("timed-out", seconds=0.1),
            "Timed out after 0.1 s.",
            "任务运行超过 0.1 秒，已超时。",
        ),
        (
            Reason("step-timed-out", **UPLOAD, seconds=60.0),
            "Step “Upload” timed out after 60 s.",
            "步骤“Upload”运行超过 60 秒，已超时。",
        ),
        (
            Reason("log-limit-reached", lines=1),
            "The log reached its limit of 1 line.",
            "日志已达上限 1 行。",
        ),
        (
            Reason("log-limit-reached", bytes=65_536),
            "The log reached its limit of 65,536 bytes.",
            "日志已达上限 65,536 字节。",
        ),
        (
            Reason("runner-lost", keptLines=0),
            "The runner is gone; no line was kept.",
            "执行器已消失，没有保留任何日志。",
        ),
        (
            Reason(
                "cancelled",
                by="lin",
                loss=Reason("runner-lost", runner="mac-1", at="noon", keptLines=1_200),
            ),
            "Cancelled by lin; The runner mac-1 stopped at about noon; 1,200 lines "
            "were kept.",
            "已由 lin 取消；执行器 mac-1 约在 noon 停止运行，已保留日志 1,200 行。",
        ),
        (
            Reason("too-long", limit=1000),
            "Too long: at most 1000 characters.",
            "过长，最多 1000 个字符。",
        ),
        (
            Reason("runner-shut-down"),
            "Cancelled because the runner shut down.",
            "因执行器关闭而取消。",
        ),
        (
            # The parameters are texts, whatever they look like.
            Reason("step-failed", step="50 %(exitCode)s", exitCode=1),
            "Step “50 %(exitCode)s” failed with exit code 1.",
            "步骤“50 %(exitCode)s”失败，退出码 1。",
        ),
    ],
)
def test_a_reason_is_a_sentence_in_both_languages(reason, in_english, in_chinese):
    assert str(reason) == in_english
    assert chinese(reason) == in_chinese
    assert str(Reason.of(reason.as_json())) == in_english


def test_a_built_in_step_is_named_in_the_readers_language():
    reason = Reason("step-failed", step="iOS manifest", exitCode=1)
    task = TaskFactory.build(error=str(reason), error_reason=reason.as_json())
    with translation.override("zh-hans"):
        error = Shown(task, timezone.now()).error
    assert error == "步骤“iOS 清单”失败，退出码 1。"


def test_each_text_in_a_reason_can_be_hidden_and_nothing_else_is():
    inner = Reason("program-not-found", path="/srv/hunter2")
    reason = Reason("step-could-not-start", step="hunter2", exitCode=127, reason=inner)
    hidden = reason.with_texts(lambda text: text.replace("hunter2", "***"))
    assert hidden.as_json() == {
        "code": "step-could-not-start",
        "params": {
            "step": "***",
            "exitCode": 127,
            "reason": {"code": "program-not-found", "params": {"path": "/srv/***"}},
        },
    }
    assert reason.params["step"] == "hunter2"


# --- As a task has it ---------------------------------------------------------------


@pytest.mark.django_db
def test_who_cancelled_a_waiting_task_is_stored_for_every_language(program):
    task = TaskFactory()
    lifecycle.request_cancel(task.pk, LIN)
    body = program.get(f"/api/tasks/{task.pk}").json()
    assert body["error"] == "Cancelled by lin before it started."
    assert body["errorCode"] == "cancelled-before-start"
    assert body["errorParams"] == {"by": "lin"}
    task.refresh_from_db()
    with translation.override("zh-hans"):
        assert Shown(task, timezone.now()).error == "启动前已由 lin 取消。"


@pytest.mark.django_db
def test_a_task_that_waits_again_is_not_cancelled_before_it_started():
    task = TaskFactory(attempt=2)
    lifecycle.request_cancel(task.pk, LIN)
    task.refresh_from_db()
    assert (task.error, task.error_reason["code"]) == ("Cancelled by lin.", "cancelled")


@pytest.mark.django_db
@pytest.mark.parametrize("cancelled_by", ["", "lin"])
def test_a_lost_runner_is_named_with_what_it_left(cancelled_by):
    runner = RunnerFactory(name="mac-1", stopped_at=timezone.now())
    asked_at = timezone.now() if cancelled_by else None
    wish = {"cancel_requested_by": cancelled_by, "cancel_requested_at": asked_at}
    task = TaskFactory(status=Task.Status.RUNNING, runner=runner, **wish)
    write_log(task, "x", "y")
    assert reap() == 1
    task.refresh_from_db()
    assert task.error == str(Reason.of(task.error_reason))
    with translation.override("zh-hans"):
        shown = Shown(task, timezone.now()).error
    who = "已由 lin 取消；" if cancelled_by else ""
    assert shown.startswith(f"{who}执行器 mac-1 约在 ")
    assert shown.endswith("已保留日志 2 行。")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stored",
    [
        None,
        {"code": "of-a-later-version", "params": {}},
        {"code": "step-failed", "params": {"another": 1}},
    ],
)
def test_what_another_version_stored_is_shown_as_it_stands(stored):
    task = TaskFactory(
        status=Task.Status.FAILED,
        completed_at=timezone.now(),
        error="It failed somehow.",
        error_reason=stored,
    )
    with translation.override("zh-hans"):
        assert Shown(task, timezone.now()).error == "It failed somehow."


def test_a_type_that_is_not_there_is_named_in_the_readers_language(use_task_types):
    use_task_types("[job]\n[[job.steps]]\ncommand = ['true']\n")
    with pytest.raises(lifecycle.UnknownTaskType) as raised:
        lifecycle.task_type("gone")
    error = "There is no task type “gone”; there are: job."
    assert str(raised.value) == error
    with translation.override("zh-hans"):
        assert str(raised.value) == "没有名为“gone”的任务类型，可用的有：job。"
