"""A task's walk through its steps, with real programs and no database."""

import re
import select
import time
import uuid

import pytest

from tasks import execution
from tasks.catalog import load
from tasks.execution import Execution


@pytest.fixture
def kind(tmp_path):
    """Makes a task type from the text of one."""

    def make(text):
        path = tmp_path / "task_types.toml"
        path.write_text(text, encoding="utf-8")
        return next(iter(load(path).values()))

    return make


def steps(*commands, head="", each=""):
    """The text of a type whose steps are shell commands."""
    parts = [f"[job]\n{head}"]
    for number, command in enumerate(commands, 1):
        parts.append(
            f"[[job.steps]]\nname = 'step {number}'\n{each}\n"
            f"command = ['sh', '-c', '''{command}''']"
        )
    return "\n".join(parts)


def run(task_type, params=None, until=lambda running: False):
    """Run to the end; ``until`` says when to cancel."""
    running = Execution(uuid.uuid4(), task_type, params or {})
    asked = False
    while running.outcome is None:
        running.advance()
        pipes = running.child.open_pipes if running.child else ()
        for fd in select.select(pipes, [], [], 0.01)[0]:
            running.read(fd)
        if not asked and until(running):
            asked = True
            running.stop("cancelled", "Cancelled by alice.")
    return running


def lines(running, *levels):
    return [text for *_, level, text in running.lines if not levels or level in levels]


def test_steps_run_in_order_and_each_starts_with_its_command(kind):
    running = run(kind(steps("echo one", "echo two >&2")))
    assert [line[2:] for line in running.lines[:4]] == [
        ("info", "Executing: sh -c 'echo one'"),
        ("stdout", "one"),
        ("info", "Executing: sh -c 'echo two >&2'"),
        ("stderr", "two"),
    ]
    assert re.fullmatch(r"Completed 2 steps in \d+\.\d s\.", running.lines[4][3])
    assert (running.outcome, running.error, running.progress) == (
        "completed",
        None,
        100,
    )


def test_progress_goes_by_the_steps_weights_and_is_100_only_at_the_end(kind):
    running = run(kind(steps("true", "true", "true")))
    assert [change[3] for change in running.trail] == [0, 33, 67]
    weighed = steps("true", "true").replace("'step 1'", "'step 1'\nweight = 3")
    assert [change[3] for change in run(kind(weighed)).trail] == [0, 75]


def test_progress_within_a_step_never_goes_back(kind):
    words = "; ".join(f"echo ::progress::{n}" for n in (50, 20, 100, 100))
    running = run(kind(steps(words, "true")))
    assert [change[1:] for change in running.trail] == [
        (1, "step 1", 0),
        (1, "step 1", 25),
        (1, "step 1", 50),
        (2, "step 2", 50),
    ]


def test_a_failing_step_ends_the_task_with_its_name_and_code(kind):
    running = run(kind(steps("exit 3", "echo never")))
    assert running.outcome == "failed"
    assert running.error == "Step “step 1” failed with exit code 3."
    assert lines(running, "error") == [running.error]
    assert "never" not in lines(running, "stdout")
    (result,) = running.result["results"]
    assert (result["name"], result["exitCode"]) == ("step 1", 3)
    assert running.result["success"] is False


def test_the_steps_own_error_is_part_of_the_sentence(kind):
    running = run(kind(steps("echo ::error::the disk is full; exit 5")))
    assert running.error == "Step “step 1” failed with exit code 5: the disk is full"


def test_a_signal_is_named(kind):
    running = run(kind(steps("kill -KILL $$")))
    assert running.error == "Step “step 1” was killed by SIGKILL."
    assert running.results[0]["exitCode"] == 137
    assert running.results[0]["signal"] == "SIGKILL"


def test_a_program_that_is_not_there_fails_the_task_in_one_sentence(kind):
    running = run(kind('[job]\n[[job.steps]]\nname="x"\ncommand = ["./nope"]'))
    assert running.outcome == "failed"
    assert running.error == "Step “x” could not start: ./nope was not found."


def test_a_task_that_takes_too_long_is_ended(kind):
    running = run(kind(steps("sleep 1000", head='timeout = "0.1s"')))
    assert (running.outcome, running.error) == ("failed", "Timed out after 0.1 s.")


def test_a_step_that_takes_too_long_fails(kind):
    running = run(kind(steps("sleep 1000", each='timeout = "0.1s"')))
    assert running.error == "Step “step 1” timed out after 0.1 s."


def test_a_step_is_tried_again_as_often_as_its_type_says(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "RETRY_SECONDS", 0.01)
    third = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) = 3"
    running = run(kind(steps(third, each="retries = 2")))
    assert running.outcome == "completed"
    assert [r["exitCode"] for r in running.results] == [1, 1, 0]
    assert [r["attempt"] for r in running.results] == [1, 2, 3]
    assert "Attempt 3 of 3 in 0.02 s." in "".join(lines(running, "info"))


def test_a_step_may_fail_where_its_type_allows_it(kind):
    running = run(kind(steps("exit 1", "echo on", each="continue_on_error = true")))
    assert running.outcome == "completed"
    assert "on" in lines(running, "stdout")


def test_cancel_ends_the_processes_and_says_who(kind):
    running = run(
        kind(steps("echo up; sleep 1000", "echo never")),
        until=lambda running: "up" in lines(running),
    )
    assert (running.outcome, running.error) == ("cancelled", "Cancelled by alice.")
    assert running.results[0]["signal"] == "SIGTERM"
    assert "never" not in lines(running)


def test_a_task_stopped_before_it_began_runs_nothing(kind, tmp_path):
    running = Execution(uuid.uuid4(), kind(steps(f"touch {tmp_path}/x")), {})
    running.stop("cancelled", "Cancelled by alice.")
    running.advance()
    assert running.outcome == "cancelled"
    assert not (tmp_path / "x").exists()


SECRET_TYPE = """
[job]
[job.params.password]
secret = true
[[job.steps]]
command = ["sh", "-c", "echo $0 $X; echo ::add-mask::t0ken; echo a t0ken", "{password}"]
env = { X = "x{password}x" }
"""


def test_secrets_are_masked_everywhere(kind):
    running = run(kind(SECRET_TYPE), {"password": "p4ss word"})
    assert lines(running, "stdout") == ["*** x***x", "a ***"]
    assert "p4ss" not in str((running.lines, running.results))
    assert "t0ken" not in str(lines(running, "stdout"))


def test_outputs_become_part_of_the_result(kind):
    running = run(kind(steps("echo ::set-output name=files::12; echo ok")))
    assert running.result["outputs"] == {"files": "12"}
    assert lines(running, "stdout") == ["ok"]


def test_a_parameter_never_becomes_a_second_argument(kind):
    task_type = kind(
        "[job]\n[job.params.x]\n[[job.steps]]\n"
        'command = ["printf", "<%s>\\\\n", "{x}", "end"]'
    )
    running = run(task_type, {"x": "a b; rm -rf / $(id) `id` \"'"})
    assert lines(running, "stdout") == ["<a b; rm -rf / $(id) `id` \"'>", "<end>"]


def test_a_step_sees_a_clean_environment(kind, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    monkeypatch.setenv("DATABASE_URL", "postgres://alice:pw@db/x")
    monkeypatch.setenv("API_KEY", "k")
    monkeypatch.setenv("RESOURCE_SOURCE", "/srv/build")
    running = run(kind(steps("env", each='env = { CHANNEL = "beta" }')))
    names = dict(line.split("=", 1) for line in lines(running, "stdout"))
    assert {"SECRET_KEY", "DATABASE_URL", "API_KEY"}.isdisjoint(names)
    assert names["RESOURCE_SOURCE"] == "/srv/build"
    assert names["CHANNEL"] == "beta"
    assert names["TASK_ID"] == str(running.task_id)
    assert names["PYTHONUNBUFFERED"] == "1"


def test_each_line_has_the_time_it_came(kind):
    before = time.time_ns() // 1_000_000
    running = run(kind(steps("echo one; sleep 0.2; echo two")))
    at = {text: at_ms for _, at_ms, _, text in running.lines}
    assert at["one"] >= before
    assert at["two"] - at["one"] >= 150
