"""Every sentence that the product stores is known to the pages, in both languages."""

import select
import uuid

import pytest
from django.utils import timezone, translation

from tasks import lifecycle
from tasks.catalog.loader import load
from tasks.lifecycle import Actor
from tasks.models import Runner, Task
from tasks.presenters.translations import said
from tasks.reaper import reap
from tasks.runner.accepted import CannotRun, accepted
from tasks.runner.execution import Execution
from tasks.runner.loop import INTERRUPTED, TaskRunner
from tests.factories import RunnerFactory, TaskFactory, fork_server, write_log

LIN = Actor("lin")


def is_known(sentence):
    """Whether it is the same in English, and said otherwise in Chinese."""
    with translation.override("en"):
        assert said(sentence) == sentence
    with translation.override("zh-hans"):
        return said(sentence) != sentence


def chinese(sentence):
    with translation.override("zh-hans"):
        return said(sentence)


def error_of(task):
    task.refresh_from_db()
    return task.error


# --- What a step may come to --------------------------------------------------------


@pytest.fixture
def ending(tmp_path):
    """Runs a type of one step to its end; returns the stored sentence."""

    def run(command, *, step="", head=""):
        path = tmp_path / "task_types.toml"
        text = f"[job]\n{head}\n[[job.steps]]\nname = 'Upload'\n{step}\n"
        path.write_text(f"{text}command = {command}\n")
        running = Execution(uuid.uuid4(), load(path)["job"], {}, fork_server())
        while running.outcome is None:
            running.advance()
            pipes = running.child.open_pipes if running.child else ()
            for fd in select.select(pipes, [], [], 0.01)[0]:
                running.read(fd)
        return running.error

    return run


def shell(script):
    return f"['sh', '-c', '''{script}''']"


@pytest.mark.parametrize(
    ("command", "options", "in_chinese"),
    [
        (shell("exit 3"), {}, "步骤“Upload”失败，退出码 3。"),
        (
            shell("echo ::error::the disk is full; exit 5"),
            {},
            "步骤“Upload”失败，退出码 5：the disk is full",
        ),
        (shell("kill -KILL $$"), {}, "步骤“Upload”被 SIGKILL 终止。"),
        (
            shell("echo ::error::no memory; kill -KILL $$"),
            {},
            "步骤“Upload”被 SIGKILL 终止：no memory",
        ),
        ("['./nope']", {}, "步骤“Upload”无法启动：找不到 ./nope。"),
        ("['./README.md']", {}, "步骤“Upload”无法启动：./README.md 不可执行。"),
        (
            shell("sleep 1000"),
            {"step": "timeout = '0.1s'"},
            "步骤“Upload”运行超过 0.1 秒，已超时。",
        ),
        (
            shell("sleep 1000"),
            {"head": "timeout = '0.1s'"},
            "任务运行超过 0.1 秒，已超时。",
        ),
    ],
)
def test_how_a_step_ended_is_said_in_chinese(ending, command, options, in_chinese):
    sentence = ending(command, **options)
    assert is_known(sentence)
    assert chinese(sentence) == in_chinese


@pytest.mark.parametrize("folder", ["nowhere", "README.md"])
def test_a_folder_that_is_none_is_said_in_chinese(ending, folder):
    sentence = ending(shell("true"), step=f"cwd = '{folder}'")
    reason = chinese(sentence).removeprefix("步骤“Upload”无法启动：")
    assert "目录" in reason


def test_a_file_that_is_no_program_is_said_in_chinese(ending, tmp_path):
    path = tmp_path / "notes"
    path.write_text("no program")
    path.chmod(0o755)
    reason = chinese(ending(f"['{path}']")).removeprefix("步骤“Upload”无法启动：")
    assert reason.startswith(f"{path} 启动失败：")


# --- What others store --------------------------------------------------------------


@pytest.mark.django_db
def test_a_cancel_before_the_start_is_said_in_chinese():
    task = TaskFactory()
    lifecycle.request_cancel(task.pk, LIN)
    assert chinese(error_of(task)) == "启动前已由 lin 取消。"
    assert is_known(task.error)


@pytest.mark.django_db
@pytest.mark.parametrize(("kept", "lines"), [(1, "1 行"), (1200, "1,200 行")])
@pytest.mark.parametrize("cancelled_by", ["", "lin"])
def test_a_lost_runner_is_said_in_chinese(kept, lines, cancelled_by):
    runner = RunnerFactory(name="mac-1")
    Runner.objects.update(stopped_at=timezone.now())
    asked_at = timezone.now() if cancelled_by else None
    wish = {"cancel_requested_by": cancelled_by, "cancel_requested_at": asked_at}
    running = {"status": Task.Status.RUNNING, **wish}
    tasks = [TaskFactory(**running, runner=runner), TaskFactory(**running)]
    for task in tasks:
        write_log(task, *["x"] * kept)
    assert reap() == 2
    first, second = [error_of(task) for task in tasks]
    who = "已由 lin 取消；" if cancelled_by else ""
    assert chinese(first).startswith(f"{who}执行器 mac-1 约在 20")
    assert chinese(first).endswith(f" 停止运行，已保留日志 {lines}。")
    assert chinese(second) == f"{who}执行器已消失，已保留日志 {lines}。"
    assert is_known(first)
    assert is_known(second)


@pytest.fixture
def runner(db):
    runner = TaskRunner()
    yield runner
    runner._close()


@pytest.fixture
def endless(use_task_types):
    use_task_types("[endless]\n[[endless.steps]]\ncommand = ['sleep', '1000']\n")


def test_a_cancel_of_what_runs_is_said_in_chinese(endless, runner):
    task = TaskFactory(type="endless", params={})
    assert runner.claim()
    lifecycle.request_cancel(task.pk, LIN)
    runner.hear()
    execution = runner.runs[task.pk].execution
    while execution.outcome is None:
        runner.step()
    assert chinese(execution.error) == "已由 lin 取消。"
    assert is_known(execution.error)


def test_a_type_that_is_gone_is_said_in_chinese(endless, db):
    with pytest.raises(CannotRun) as reason:
        accepted(TaskFactory(type="gone", params={}))
    sentence = str(reason.value)
    assert chinese(sentence) == "没有任务类型 gone，可用的有：endless。"
    assert is_known(sentence)
    with pytest.raises(lifecycle.UnknownTaskType) as error:
        lifecycle.submit("gone", {}, LIN)
    assert is_known(str(error.value))


def test_a_shutdown_is_said_in_chinese():
    assert is_known(INTERRUPTED)


LOST = "The runner mac-1 stopped at about 2025-11-26T10:30:01.234Z;"
LOST_CHINESE = "执行器 mac-1 约在 2025-11-26T10:30:01.234Z 停止运行，"


@pytest.mark.parametrize(
    ("sentence", "in_chinese"),
    [
        ("Cancelled because the runner shut down.", "因执行器关闭而取消。"),
        ("Interrupted by shutdown of the runner.", "因执行器关闭而取消。"),
        (f"{LOST} 1 line was kept.", f"{LOST_CHINESE}已保留日志 1 行。"),
        (f"{LOST} no line was kept.", f"{LOST_CHINESE}没有保留任何日志。"),
        (
            f"{LOST} 1,234 lines were kept. The task goes back to the queue.",
            f"{LOST_CHINESE}已保留日志 1,234 行。任务已重新排队。",
        ),
        (
            "The runner is gone; no line was kept. The task goes back to the queue.",
            "执行器已消失，没有保留任何日志。任务已重新排队。",
        ),
        (
            "Step “Upload” has printed nothing for 60 s.",
            "步骤“Upload”已有 60 秒没有输出。",
        ),
        (
            "Step “Upload” could not start: There is no account ci on this host.",
            "步骤“Upload”无法启动：本机没有账户 ci。",
        ),
        (
            "Step “Upload” could not start: Only a runner that root started can run "
            "it as ci.",
            "步骤“Upload”无法启动：只有由 root 启动的执行器才能以 ci 的身份运行。",
        ),
        ("The log reached its limit of 1,000 lines.", "日志已达上限 1,000 行。"),
        ("The log reached its limit of 65,536 bytes.", "日志已达上限 65,536 字节。"),
        (
            "Step “Upload” left 2 processes behind; they were killed.",
            "步骤“Upload”遗留了 2 个进程，已强制结束。",
        ),
        (
            "Step “Upload” left 1 process behind; it was killed.",
            "步骤“Upload”遗留了 1 个进程，已强制结束。",
        ),
    ],
)
def test_what_a_runner_says_is_said_in_chinese(sentence, in_chinese):
    assert is_known(sentence)
    assert chinese(sentence) == in_chinese


@pytest.mark.parametrize(
    ("sentence", "in_chinese"),
    [
        ("Interrupted: the runner was shut down.", "已中断：执行器已关闭。"),
        (f"{LOST} 1 line were kept.", f"{LOST_CHINESE}已保留日志 1 行。"),
        (f"{LOST} 0 lines were kept.", f"{LOST_CHINESE}已保留日志 0 行。"),
        ("The runner is gone; 1 line were kept.", "执行器已消失，已保留日志 1 行。"),
    ],
)
def test_what_an_earlier_release_stored_is_still_said_in_chinese(sentence, in_chinese):
    assert chinese(sentence) == in_chinese


# --- What it makes no sense of ------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    ["", "the disk is full", "A file was not found.", "50 %(done)s", "已完成"],
)
def test_what_is_not_known_stays_as_it_is(sentence):
    assert chinese(sentence) == sentence


def test_a_name_that_reads_like_a_sentence_changes_nothing_else():
    sentence = "Step “a” timed out after 1 s.” failed with exit code 3."
    assert chinese(sentence) == "步骤“a” timed out after 1 s.”失败，退出码 3。"
