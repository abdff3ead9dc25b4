"""The runner as a process: real signals, real children, nothing left behind."""

import itertools
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import ROOT, processes_with
from tests.e2e.viewers import Viewer, assert_exact, watching
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def mark():
    """A number that no other process has in its command line."""
    return str(random.randrange(10_000_000, 99_999_999))


@pytest.fixture
def own(new_service):
    """A product of the test's own, running."""
    return new_service().run("--concurrency", "8")


def wait_for_line(service, task_id, text):
    wait_until(lambda: text in service.messages(task_id), f"the line {text!r}")


def test_cancel_ends_the_whole_process_tree(service, mark):
    task_id = service.create("family", mark=mark)
    wait_for_line(service, task_id, "grandchild")
    assert len(processes_with(mark)) >= 2
    assert service.request("POST", f"/api/tasks/{task_id}/cancel").status_code == 202
    task = service.wait_for(task_id)
    assert task["status"] == "cancelled"
    assert task["error"] == "Cancelled by bootstrap."
    assert not processes_with(mark)


def test_a_waiting_task_is_cancelled_at_once(service):
    holder = service.create("locked")
    waiting = service.create("locked")
    answer = service.request("POST", f"/api/tasks/{waiting}/cancel")
    assert answer.status_code == 202
    assert service.task(waiting)["status"] in {"cancelled", "running"}
    service.wait_for(holder)


def test_what_has_ended_cannot_be_cancelled(service):
    task_id = service.create("say")
    service.wait_for(task_id)
    answer = service.request("POST", f"/api/tasks/{task_id}/cancel")
    assert answer.status_code == 409
    assert "completed" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("task_type", "params", "error"),
    [
        ("exit-code", {"code": "7"}, "Step “fail” failed with exit code 7."),
        ("killed", {}, "Step “suicide” was killed by SIGKILL."),
        (
            "not-found",
            {},
            "Step “nothing” could not start: ./no-such-program was not found.",
        ),
        (
            "not-executable",
            {},
            "Step “readme” could not start: ./README.md is not executable.",
        ),
        ("too-long", {}, "Timed out after 1 s."),
    ],
)
def test_a_failure_is_one_clear_sentence_and_the_log_is_kept(
    service, task_type, params, error
):
    task_id = service.create(task_type, **params)
    task = service.wait_for(task_id)
    assert (task["status"], task["error"]) == ("failed", error)
    assert task["result"]["success"] is False
    lines = service.messages(task_id)
    assert lines[0].startswith("Executing: ")
    assert lines[-1] == error


def test_tasks_of_one_lock_run_one_after_the_other(service):
    ids = [service.create("locked") for _ in range(3)]
    tasks = [service.wait_for(task_id) for task_id in ids]
    for earlier, later in itertools.pairwise(tasks):
        assert earlier["completedAt"] <= later["startedAt"]


def test_a_daemon_that_holds_the_pipe_delays_the_end_by_about_two_seconds(
    service, mark
):
    task_id = service.create("daemon", mark=mark)
    started = time.monotonic()
    assert service.wait_for(task_id)["status"] == "completed"
    assert time.monotonic() - started < 10
    for process in processes_with(mark):
        process.kill()


def test_a_secret_parameter_is_shown_nowhere(service):
    task_id = service.create("secretive", password="hunter2-hunter2")
    task = service.wait_for(task_id)
    assert "the password is ***" in service.messages(task_id)
    log = service.request("GET", f"/api/tasks/{task_id}/logs.txt").text
    audit = str(service.request("GET", "/api/tasks").json())
    assert "hunter2" not in str(task) + log + audit
    assert task["params"] == {"password": "***"}


def test_no_secret_of_the_service_reaches_a_step(service):
    task_id = service.create("secretive", password="x-y-z")
    service.wait_for(task_id)
    log = "\n".join(service.messages(task_id))
    assert service.env["SECRET_KEY"] not in log
    assert service.api_key not in log
    assert "DATABASE_URL" not in log


def test_sigterm_ends_running_tasks_and_records_it(own, mark):
    task_id = own.create("family", mark=mark)
    wait_for_line(own, task_id, "grandchild")
    runner = own.processes["runner"]
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 0
    task = own.task(task_id)
    assert task["status"] == "cancelled"
    assert task["error"] == "Cancelled because the runner shut down."
    assert not processes_with(mark)


def test_a_drained_runner_lets_its_tasks_finish(own):
    own.kill("runner")
    runner = own.start("runner", "--drain", "60")
    own.wait_healthy()
    task_id = own.create("slowly", n="10", pause="0.05")
    wait_for_line(own, task_id, "line 1")
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(60) == 0
    assert own.task(task_id)["status"] == "completed"


def test_a_second_signal_ends_a_draining_runner_at_once(own, mark):
    own.kill("runner")
    runner = own.start("runner", "--drain", "3600")
    task_id = own.create("stubborn", mark=mark)
    wait_for_line(own, task_id, "deaf")
    runner.send_signal(signal.SIGTERM)
    log = own.data_dir / "logs" / "combined.log"
    wait_until(lambda: "stopping" in log.read_text(), "the drain")
    late = own.create("say")
    assert own.task(task_id)["status"] == "running"
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(PATIENCE_SECONDS) == 0
    task = own.task(task_id)
    assert task["status"] == "cancelled"
    assert task["error"] == "Cancelled because the runner shut down."
    assert not processes_with(mark)
    assert own.task(late)["status"] == "pending"


def test_a_killed_runner_leaves_no_process_and_no_task_that_runs_for_ever(own, mark):
    task_id = own.create("family", mark=mark)
    wait_for_line(own, task_id, "grandchild")
    events = own.stream(task_id)
    own.kill("runner")
    wait_until(lambda: not processes_with(mark), "the children to be gone")
    own.start("runner")
    task = own.wait_for(task_id)
    assert task["status"] == "failed"
    assert "stopped at about" in task["error"]
    assert "lines were kept" in task["error"]
    assert own.messages(task_id)[-1] == task["error"]
    assert b'"type":"end","status":"failed"' in events.content


def test_a_task_of_a_dead_runner_ends_though_no_runner_is_started_again(own, mark):
    task_id = own.create("family", mark=mark)
    wait_for_line(own, task_id, "grandchild")
    events = own.stream(task_id)
    own.kill("runner")
    assert b'"type":"end","status":"failed"' in events.content
    assert own.request("GET", "/health").json()["runnerCrashes"] == 1


def test_a_task_that_may_run_again_does_so_and_viewers_get_every_line_once(own):
    task_id = own.create("again", n="200", pause="0.01")
    viewers = [Viewer(own, task_id) for _ in range(4)]
    with watching(*viewers):
        wait_for_line(own, task_id, "line 50")
        own.kill("runner")
        own.start("runner")
    lines = [line["message"] for line in assert_exact(own, task_id, *viewers)]
    task = own.task(task_id)
    assert (task["status"], task["attempt"]) == ("completed", 2)
    numbers = [f"line {n}" for n in range(1, 201)]
    assert [line for line in lines if line.startswith("line ")][-200:] == numbers
    (break_,) = [
        n for n, line in enumerate(lines) if line.endswith(" goes back to the queue.")
    ]
    assert f"; {break_} lines were kept. " in lines[break_]
    assert [line for line in lines[:break_] if line[:5] == "line "] == (
        numbers[: break_ - 1]
    )
    attempts = [update["attempt"] for update in viewers[0].updates]
    assert attempts == sorted(attempts)
    assert [viewer.end["status"] for viewer in viewers] == ["completed"] * 4


def test_health_says_so_when_nobody_runs_tasks(own):
    runner = own.processes["runner"]
    runner.send_signal(signal.SIGTERM)
    runner.wait(30)
    answer = own.request("GET", "/health")
    assert answer.status_code == 503
    assert "runner" in answer.json()["reason"].lower()
    own.create("say")
    assert own.request("GET", "/health").json()["queue"]["pending"] == 1
    own.start("runner")
    own.wait_healthy()


def test_a_list_that_nobody_reads_to_its_end_ends_without_a_word(service):
    service.create("say")
    listing = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "list_tasks"],
        env=service.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait(PATIENCE_SECONDS) == 141


def test_many_tasks_on_two_runners_run_once_each(own):
    own.start("second runner", "--concurrency", "4")
    ids = [own.create("say", text=f"task {n}") for n in range(60)]
    for n, task_id in enumerate(ids):
        assert own.wait_for(task_id)["status"] == "completed"
        assert own.messages(task_id, "stdout") == [f"task {n}"]


def test_only_the_newest_finished_tasks_are_kept(new_service):
    service = new_service(TASK_RETENTION="3").run()
    ids = [service.create("say", text=str(n)) for n in range(6)]
    for task_id in ids:
        wait_until(
            lambda task_id=task_id: (
                service.task(task_id).get("status") in {"completed", 404}
            ),
            "the task to end",
        )

    def shown():
        return [
            task["id"] for task in service.request("GET", "/api/tasks").json()["tasks"]
        ]

    wait_until(lambda: len(shown()) == 3, "three tasks to be left")
    assert set(shown()) <= set(ids)
