"""A task's walk through its steps, with real programs and no database."""

import errno
import json
import os
import re
import select
import tempfile
import time
import uuid

import pytest

from tasks.catalog.loader import load
from tasks.models import step_starts
from tasks.reasons import Reason
from tasks.runner import execution
from tasks.runner.execution import Execution
from tasks.runner.output.summary import CUT
from tests.factories import fork_server
from tests.waiting import wait_until


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
    running = Execution(uuid.uuid4(), task_type, params or {}, fork_server())
    asked = False
    while running.outcome is None:
        running.advance()
        pipes = running.child.open_pipes if running.child else ()
        for fd in select.select(pipes, [], [], 0.01)[0]:
            running.read(fd)
        if not asked and until(running):
            asked = True
            running.stop("cancelled", Reason("cancelled", by="alice"))
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
    assert [change[1:4] for change in running.trail] == [
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


@pytest.mark.parametrize("code", [126, 127])
def test_a_program_that_ran_and_printed_an_error_is_not_said_not_to_have_started(
    kind, code
):
    running = run(kind(steps(f"echo broken >&2; exit {code}")))
    assert running.error == f"Step “step 1” failed with exit code {code}: broken"


def program(text, name="step 1"):
    """A type that runs a program in Python."""
    return (
        f"[job]\n[[job.steps]]\nname = '{name}'\n"
        f"command = ['{{python}}', '-c', '''{text}''']"
    )


def test_without_an_error_of_its_own_the_sentence_has_what_the_program_printed(kind):
    running = run(kind(program("{}['sprites']")))
    error = "Step “step 1” failed with exit code 1: KeyError: 'sprites'"
    assert running.error == error
    seq, message = running.result["firstError"].values()
    assert (seq, message) == (running.line_count - 1, "KeyError: 'sprites'")
    assert running.lines[seq - 1][2:] == ("stderr", "KeyError: 'sprites'")


def test_the_first_error_is_the_programs_and_never_the_services(kind):
    said = run(kind(steps("echo ::error::b; echo a >&2; echo ::error::c; exit 1")))
    assert said.result["firstError"] == {"seq": 2, "message": "b"}
    silent = run(kind(steps("echo fine; exit 1")))
    assert silent.error == "Step “step 1” failed with exit code 1."
    assert "firstError" not in silent.result


def test_the_first_error_is_of_the_attempt_that_failed_the_task(kind):
    text = steps("echo first >&2; exit 1", "echo fine", "exit 1").replace(
        "'step 1'", "'step 1'\ncontinue_on_error = true"
    )
    running = run(kind(text))
    assert running.error == "Step “step 3” failed with exit code 1."
    assert "firstError" not in running.result
    assert any("exit code 1: first Going on" in line for line in lines(running, "info"))


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("echo half way >&2; kill -TERM $$", "was killed by SIGTERM."),
        ("echo no memory >&2; kill -ABRT $$", "was killed by SIGABRT: no memory"),
    ],
)
def test_a_program_that_somebody_ended_need_not_have_said_why(kind, command, error):
    assert run(kind(steps(command))).error == f"Step “step 1” {error}"


def test_a_timeout_is_not_blamed_on_the_last_line(kind):
    text = steps("echo half way >&2; sleep 1000", each='timeout = "0.3s"')
    assert run(kind(text)).error == "Step “step 1” timed out after 0.3 s."


def test_secrets_stay_out_of_the_first_error(kind):
    running = run(kind(steps("echo ::add-mask::hunter2; echo no hunter2 >&2; exit 1")))
    assert running.result["firstError"]["message"] == "no ***"
    assert running.error == "Step “step 1” failed with exit code 1: no ***"


def test_a_warning_has_a_level_of_its_own_and_a_notice_is_the_services(kind):
    running = run(kind(steps("echo ::warning::low disk; echo ::notice::half way")))
    assert lines(running, "warning") == ["low disk"]
    assert "half way" in lines(running, "info")


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
    begun = [n for n, *_, message in running.lines if message.startswith("Executing")]
    assert step_starts(running.trail) == [(1, seq) for seq in begun]


def test_a_program_that_speaks_like_the_runner_begins_no_step(kind):
    says = (
        "echo ::notice::Executing: x; echo ::progress::50; echo ::notice::Executing: y"
    )
    running = run(kind(steps(says, "true")))
    assert [message for *_, message in running.lines if "Executing" in message][
        1:3
    ] == [
        "Executing: x",
        "Executing: y",
    ]
    assert step_starts(running.trail) == [(1, 1), (2, 4)]


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
    running = Execution(
        uuid.uuid4(), kind(steps(f"touch {tmp_path}/x")), {}, fork_server()
    )
    running.stop("cancelled", Reason("cancelled", by="alice"))
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


def said(key, text):
    return f"echo '::set-output name={key},type=json::{text}'; true"


def test_an_output_that_is_json_adds_to_the_object_of_an_earlier_step(kind):
    first = said("ios", '{"new": 12, "at": ["a"]}')
    running = run(kind(steps(first, said("ios", '{"new": 13, "served": "v885"}'))))
    ios = {"new": 13, "at": ["a"], "served": "v885"}
    assert running.result["outputs"] == {"ios": ios}


def test_an_output_that_only_claims_to_be_json_stays_a_text(kind):
    running = run(kind(steps(said("ios", '{"new": NaN}'))))
    assert running.result["outputs"] == {"ios": '{"new": NaN}'}


def test_secrets_are_masked_within_json(kind):
    mask = "echo ::add-mask::s3 é; "
    running = run(
        kind(steps(mask + said("k", r'{"s3 \u00e9": ["x s3 \u00e9", {"a": 1}]}')))
    )
    assert running.result["outputs"] == {"k": {"***": ["x ***", {"a": 1}]}}


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


@pytest.mark.parametrize("zone", ["Asia/Shanghai", None])
def test_a_step_has_the_time_zone_of_the_host_and_not_django_s(kind, settings, zone):
    assert os.environ["TZ"] == "UTC", "Django sets it"
    settings.HOST_TZ = zone
    running = run(kind(steps("echo ${TZ-none}")))
    assert lines(running, "stdout") == [zone or "none"]


def test_each_line_has_the_time_it_came(kind):
    before = time.time_ns() // 1_000_000
    running = run(kind(steps("echo one; sleep 0.2; echo two")))
    at = {text: at_ms for _, at_ms, _, text in running.lines}
    assert at["one"] >= before
    assert at["two"] - at["one"] >= 150


# --- Silence, limits, bars ----------------------------------------------------------


def test_a_silent_step_is_noted_and_goes_on(kind, tmp_path):
    go = tmp_path / "go"
    silent = f"echo up; until [ -e {go} ]; do sleep 0.01; done; echo down"

    def is_noted(running):
        if running.trail[-1][4] is not None:
            go.touch()
        return False

    head = 'stall_after = "0.1s"'
    running = run(kind(steps(silent, head=head)), until=is_noted)
    assert running.outcome == "completed"
    told = "Step “step 1” has printed nothing for 0.1 s."
    assert lines(running)[1:4] == ["up", told, "down"]
    stalls = [(change[0], change[4] is not None) for change in running.trail]
    assert stalls == [(0, False), (3, True), (3, False)]


def test_a_step_can_be_silent_for_longer_than_its_type_finds_normal(kind):
    quick = 'stall_after = "0.01s"'
    running = run(kind(steps("sleep 0.2", head=quick, each='stall_after = "1h"')))
    assert len(running.trail) == 1


@pytest.mark.parametrize(
    ("limit", "said"),
    [("max_log_lines = 4", "4 lines"), ("max_log_bytes = 24", "24 bytes")],
)
def test_a_log_that_reaches_its_limit_ends_the_task(kind, limit, said):
    running = run(kind(steps("while echo 1234567; do sleep 0.01; done", head=limit)))
    assert running.outcome == "failed"
    assert running.error == f"The log reached its limit of {said}."
    assert lines(running, "stdout") == ["1234567"] * 3
    assert lines(running, "error") == [running.error]


def test_a_log_can_end_at_its_limit_while_the_task_goes_on(kind):
    head = 'max_log_lines = 3\non_log_limit = "cut"'
    running = run(kind(steps("seq 10; echo ::set-output name=n::10", head=head)))
    assert running.outcome == "completed"
    assert lines(running)[1:5] == [
        "1",
        "2",
        "The log ends here, at its limit of 3 lines.",
        "8 more lines were not kept.",
    ]
    assert running.result["outputs"] == {"n": "10"}


# --- The summary --------------------------------------------------------------------


def test_steps_write_a_summary_together_and_no_lines(kind):
    running = run(kind(steps("echo ::summary::# One%0A", "echo ::summary::- two")))
    assert running.summary.text == "# One\n\n- two"
    assert lines(running, "stdout") == []


def test_a_summary_that_comes_in_two_pieces_is_taken_whole(kind):
    """The pause is longer than that after which an unfinished line is shown."""
    running = run(kind(steps("printf ::summ; sleep 1; printf 'ary::a%%0'; echo Ab")))
    assert running.summary.text == "a\nb"
    assert lines(running, "stdout") == []


def test_secrets_are_hidden_in_a_summary_however_they_are_written(kind):
    secret = "[job.params.token]\nsecret = true"
    words = [
        "::summary::the token is {token}",
        "::summary::100%25: hun%0Ater2",
        "::add-mask::top%25secret",
        "::summary::top%25secret, top%secret",
    ]
    commands = "; ".join(f'echo "{word}"' for word in words)
    task_type = kind(steps(commands.replace("{token}", "hunter22"), head=secret))
    running = run(task_type, {"token": "hunter22"})
    assert "hunter22" not in running.summary.text
    assert running.summary.text.split("\n") == [
        "the token is ***",
        "100%: hun",
        "ter2",
        "***, ***",
    ]


def test_a_secret_that_only_its_escapes_make_is_hidden_too(kind):
    head = "[job.params.token]\nsecret = true"
    words = "echo ::summary::aa%25bb%cc"  # escaped by halves
    running = run(kind(steps(words, head=head)), {"token": "aa%bb%cc"})
    assert running.summary.text == "***"


def test_a_summary_beyond_its_limit_is_cut_and_the_task_goes_on(kind):
    long = "for i in 1 2 3; do printf '::summary::# %d%%0A%040000d\\n' $i 1; done"
    running = run(kind(steps(f"{long}; echo ::summary::more")))
    assert running.outcome == "completed"
    assert lines(running, "warning") == [CUT]
    assert running.summary.text == f"# 1\n{'1':0>40000}\n# 2"


def test_a_summary_in_a_line_that_is_too_long_is_cut_before_the_cut(kind):
    line = "printf '::summary::# v885%%0A%070000d\\n' 1"
    running = run(kind(steps(line)))
    assert running.summary.text == "# v885"
    assert lines(running, "warning") == [CUT]


def test_a_summary_that_fits_but_whose_line_was_cut_says_so(kind):
    """Its escapes are three bytes each, and one in the summary."""
    line = "printf ::summary::; for i in $(seq 30000); do printf %%0A; done; echo end"
    running = run(kind(steps(line)))
    assert set(running.summary.text) == {"\n"}
    assert lines(running, "warning") == [CUT]


def test_a_step_that_is_tried_again_writes_its_part_of_the_summary_anew(kind):
    again = "echo ::summary::try; test -e $MARK || { touch $MARK; exit 1; }"
    mark = f"{tempfile.mkdtemp()}/mark"
    each = f"retries = 1\nenv = {{ MARK = '{mark}' }}"
    running = run(kind(steps(again, each=each)))
    assert running.outcome == "completed"
    assert running.summary.text == "try"


# --- Outputs ------------------------------------------------------------------------


def test_an_output_that_is_too_large_is_refused_by_a_line(kind):
    big = "printf '::set-output name=big::%070000d\\n' 1"
    running = run(kind(steps(f"{big}; echo ::set-output name=n::10")))
    assert running.outcome == "completed"
    assert running.result["outputs"] == {"n": "10"}
    (said,) = [line for line in lines(running, "info") if "refused" in line]
    assert said.startswith("The output “big” was refused: it has ")
    assert said.endswith(" bytes, and may have 65,536.")


def test_a_flood_of_outputs_that_are_refused_is_told_in_few_lines(kind):
    flood = "seq -f '::set-output name=key%g::x' 1100"
    running = run(kind(steps(flood)))
    assert len(running.result["outputs"]) == 1000
    refused = [line for line in lines(running, "info") if "refused" in line]
    assert len(refused) == 21
    assert refused[-1] == "80 more outputs were refused."


def test_an_error_that_lists_carry_has_a_limit_and_its_line_has_not(kind):
    running = run(kind(steps("printf '::error::%09000d\\n' 1; exit 3")))
    assert len(running.error) == 4_001
    assert running.error.endswith("…")
    assert any(len(line) == 9_000 for line in lines(running, "error"))


def test_a_message_is_one_line_whatever_a_parameter_or_an_escape_holds(kind):
    running = run(kind(steps("printf '%s\\n' '::error::a%0Db'\n# two\n# lines")))
    assert lines(running, "error") == ["a b"]
    assert lines(running, "info")[0].endswith("\\n# two\\n# lines'")
    assert not [line for line in lines(running) if "\r" in line or "\n" in line]


BARS = {
    "(?P<percent>[0-9.]+)%": "printf '10%%\\r35.5%%\\r'",
    "(?P<done>[0-9]+)/(?P<total>[0-9]+)": "printf '1/10 files\\r71/200 files\\r'",
}


@pytest.mark.parametrize("pattern", BARS)
def test_progress_is_read_from_a_bar_where_the_type_asks_for_it(kind, pattern):
    bar = f"{BARS[pattern]}; sleep 1000"
    running = run(
        kind(steps(bar, each=f"progress_pattern = '{pattern}'")),
        until=lambda running: running.progress,
    )
    assert running.progress == 36


def test_a_bar_that_says_nonsense_moves_nothing(kind):
    pattern = r"(?P<done>\d+)/(?P<total>\d+)|(?P<x>x)"
    bar = "echo 5/0; echo x; echo 300/200; echo 1/2"
    running = run(kind(steps(bar, "true", each=f"progress_pattern = '{pattern}'")))
    assert [change[3] for change in running.trail] == [0, 25, 50]


def test_what_a_step_left_behind_is_killed_and_said(kind):
    running = run(kind(steps("setsid sleep 1000 & echo started", "echo next")))
    assert "Step “step 1” left 1 process behind; it was killed." in lines(running)
    assert running.outcome == "completed"


def test_a_forced_stop_gives_no_grace(kind):
    stubborn = "trap '' TERM; echo up; sleep 1000; sleep 1000"
    running = Execution(
        uuid.uuid4(), kind(steps(stubborn, head='stop_grace = "1h"')), {}, fork_server()
    )
    asked = 0
    while running.outcome is None:
        running.advance()
        pipes = running.child.open_pipes if running.child else ()
        for fd in select.select(pipes, [], [], 0.01)[0]:
            running.read(fd)
        if "up" in lines(running) and asked < 2:
            asked += 1
            running.stop(
                "cancelled", Reason("cancelled", by=str(asked)), force=asked == 2
            )
    assert (running.outcome, running.error) == ("cancelled", "Cancelled by 1.")


def test_a_types_own_grace_is_kept(kind):
    stubborn = "trap '' TERM; echo up; sleep 1000; sleep 1000"
    running = run(
        kind(steps(stubborn, head='stop_grace = "0.2s"')),
        until=lambda running: "up" in lines(running),
    )
    assert running.results[0]["signal"] == "SIGKILL"


def test_a_secret_is_not_shown_by_halves_while_its_line_is_unfinished(kind, tmp_path):
    go = tmp_path / "go"
    whisper = (
        "[job]\n[job.params.password]\nsecret = true\n[[job.steps]]\n"
        f'command = ["sh", "-c", "printf p4ss; until [ -e {go} ]; do sleep 0.01; done;'
        ' echo word; printf done?; sleep 1000"]'
    )
    looked = 0

    def is_asked(running):
        nonlocal looked
        held = running.child and running.child.unfinished(running.child.open_pipes[0])
        if held == "p4ss" and running.child.next_deadline < time.monotonic():
            looked += 1
        if looked or lines(running, "stdout"):
            go.touch()
        return "done?" in lines(running)

    running = run(kind(whisper), {"password": "p4ssword"}, until=is_asked)
    assert lines(running, "stdout") == ["***", "done?"]


def test_a_type_and_a_step_can_add_to_the_environment(kind):
    text = steps("echo $A $B", each="env = { B = 'step' }")
    text += "\n[job.env]\nA = 'type'\nB = 'type'\n"
    assert lines(run(kind(text)), "stdout") == ["type step"]


def test_a_task_that_ran_before_goes_on_from_there(kind):
    before = [(0, 1, "step 1", 0, None), (7, 2, "step 2", 50, None)]
    running = Execution(
        uuid.uuid4(),
        kind(steps("true", "true")),
        {},
        fork_server(),
        first_seq=9,
        trail=list(before),
        progress=50,
    )
    running.advance()
    assert running.lines[0][0] == 10
    assert running.trail == [*before, (9, 1, "step 1", 50, None)]
    running.kill()


def test_a_terminal_says_which_one_it_is_and_a_pipe_does_not(kind):
    asks = "echo [$TERM]"
    assert "[xterm-256color]" in lines(run(kind(steps(asks, each="pty = true"))))
    own = "pty = {columns = 80}\nenv = {TERM = 'dumb'}"
    assert "[dumb]" in lines(run(kind(steps(asks, each=own))))
    assert "[]" in lines(run(kind(steps(asks))))


def test_a_script_whose_interpreter_env_does_not_find_says_so(kind, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env no-such-interpreter\n")
    script.chmod(0o755)
    running = run(kind(f"[job]\n[[job.steps]]\ncommand = ['{script}']"))
    assert running.error == (
        f"Step “script” could not start: {script} asks for no-such-interpreter, "
        "which was not found in PATH."
    )


def test_a_script_s_own_complaint_is_not_talked_over(kind, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env sh\nexit 127\n")
    script.chmod(0o755)
    running = run(kind(f"[job]\n[[job.steps]]\ncommand = ['{script}']"))
    assert running.error == "Step “script” failed with exit code 127."


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EMFILE, "no more files can be opened (ulimit -n)"),
        (errno.ENOSPC, "no more terminals can be opened (kernel.pty.max)"),
    ],
)
def test_a_limit_of_the_system_fails_the_task_with_the_reason(
    kind, monkeypatch, number, says
):
    def openpty():
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "openpty", openpty)
        running = run(kind(steps("echo up", each="pty = true")))
    assert running.outcome == "failed"
    assert running.error == (
        f"Step “step 1” could not start: sh could not be started: {says}."
    )
    assert run(kind(steps("echo up", each="pty = true"))).outcome == "completed"


def test_a_step_that_met_a_limit_is_tried_again_where_it_may_be(kind, monkeypatch):
    openpty, tries = os.openpty, []

    def open_later():
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return openpty()

    monkeypatch.setattr(os, "openpty", open_later)
    monkeypatch.setattr(execution, "RETRY_SECONDS", 0.01)
    running = run(kind(steps("echo up", each="pty = true\nretries = 1")))
    assert running.outcome == "completed"
    assert [result["exitCode"] for result in running.results] == [126, 0]


CATASTROPHE = "(?:(a|aa)+b|(?P<percent>[0-9]+)%)"


def test_a_catastrophic_progress_pattern_passes_lines_and_warns_once(kind):
    printing = f"for n in 1 2 3 4 5 6; do echo {'a' * 60}; sleep 0.05; done"
    running = run(kind(steps(printing, each=f"progress_pattern = '{CATASTROPHE}'")))
    assert running.outcome == "completed"
    assert lines(running).count("a" * 60) == 6
    warnings = [line for line in lines(running) if "progress_pattern took" in line]
    assert len(warnings) == 1


def test_after_a_line_that_took_too_long_progress_is_read_again(kind):
    printing = f"echo {'a' * 60}; sleep 0.3; echo 50%; sleep 0.3"
    running = run(kind(steps(printing, each=f"progress_pattern = '{CATASTROPHE}'")))
    assert 50 in [change[3] for change in running.trail]


def test_output_that_nobody_read_yet_is_no_silence(kind):
    running = Execution(
        uuid.uuid4(),
        kind(steps("echo up; sleep 1000", head='stall_after = "10s"')),
        {},
        fork_server(),
    )
    running.advance()
    wait_until(running.child.has_more, "the line to be in the pipe")
    running._silence.last_output_at -= 100  # nobody looked for so long
    running.advance()
    assert "printed nothing" not in str(running.lines)
    running.kill()


def test_lines_are_what_the_program_wrote_with_every_escape(kind):
    words = [
        r"\033[31mred",
        "still",
        r"\033[1mbold\033[22m, \033[Kand not any more\033[0m",
        r"\033]0;a title\007",
    ]
    running = run(kind(steps("printf '" + r"\n".join(words) + "'")))
    written = [w.replace(r"\033", "\x1b").replace(r"\007", "\x07") for w in words]
    assert lines(running, "stdout") == written


def test_each_step_says_what_its_program_used(kind):
    working = "for n in $(seq 100000); do :; done"
    running = run(kind(steps(working, "exec no-such-program-at-all")))
    first, second = running.results
    assert first["maxRssBytes"] > 100_000
    assert 0 < first["cpuSeconds"] < 60
    assert second["cpuSeconds"] >= 0


def test_of_a_program_that_did_not_start_nobody_knows_what_it_used(kind):
    running = run(kind("[job]\n[[job.steps]]\ncommand = ['./no-such-program']"))
    assert running.results[0]["maxRssBytes"] is None
    assert running.results[0]["cpuSeconds"] is None


def test_each_step_says_how_long_it_was_silent_at_most(kind):
    speaking = "for n in 1 2 3 4 5; do sleep 0.1; echo $n; done"
    silent = "echo up; sleep 0.2; echo ::progress::50; sleep 0.2; echo down"
    head = 'stall_after = "0.1s"'
    running = run(kind(steps(speaking, silent, "sleep 0.4", head=head)))
    found = [result["longestSilenceMs"] for result in running.results]
    took = [result["durationMs"] for result in running.results]
    # Half of it, if the progress ended a silence; a line may be heard some time late.
    assert 80 <= found[0] < took[0] - 50
    assert min(found[1:]) >= 300
    assert all(silence <= whole for silence, whole in zip(found, took, strict=True))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_programs_make_files_with_the_umask_of_steps_not_of_the_service(
    kind, settings, umask
):
    settings.STEP_UMASK = umask
    running = run(kind(steps("umask")))
    assert lines(running, "stdout") == [f"{umask:04o}"]


def with_secret(script, *more):
    """The text of a type that gets the secret ``password`` as its argument."""
    argv = ["sh", "-c", script, "x", "{password}", *more]
    return (
        "[job]\n[job.params.password]\npattern = '(?s).*'\nsecret = true\n"
        f"[[job.steps]]\nname = 'use'\ncommand = {json.dumps(argv)}\n"
    )


@pytest.mark.parametrize(
    "secret",
    ["it's $PECIAL secret", 'a "b" \\c\\', "100%25x", "*** stars", "пароль 密码"],
)
def test_the_services_own_words_show_no_secret_however_it_is_quoted(kind, secret):
    running = run(kind(with_secret("exit 3", "--t={password}")), {"password": secret})
    shown = "sh -c 'exit 3' x *** --t=***"
    assert lines(running, "info") == [f"Executing: {shown}"]
    assert running.results[0]["command"] == shown


def test_a_parameter_of_several_lines_makes_one_line_of_the_command(kind):
    text = with_secret("true", "{note}") + "[job.params.note]\npattern = '(?s).*'\n"
    running = run(kind(text), {"password": "s3cret", "note": "it's\na\\b\tc\x1b\u2028"})
    (line,) = lines(running, "info")
    assert line == r"Executing: sh -c true x *** $'it\'s\na\\b\tc\x1b\u2028'"


def test_a_secret_of_several_lines_is_hidden_line_by_line(kind):
    secret = "LINEONE-abcdef\nLINETWO-ghijkl\n  LINE3-mno"
    running = run(kind(with_secret('printf "tok=$1\\n"')), {"password": secret})
    assert lines(running, "stdout") == ["tok=***", "***", "  ***"]


@pytest.mark.parametrize("length", range(65_536 - 12, 65_536 + 1))
def test_a_secret_across_the_cut_of_a_line_is_not_shown_by_halves(kind, length):
    script = f"head -c {length} /dev/zero | tr '\\0' .; echo \"$1 and more\""
    running = run(kind(with_secret(script)), {"password": "S3cr3tV@lue"})
    (line,) = lines(running, "stdout")
    assert line.startswith("." * length)
    dots, cut, _ = line.partition(" … [cut: ")
    assert cut
    assert not set("S3crtV@lue") & set(dots)


@pytest.mark.parametrize(
    "mask",
    ["line1%0Aline2", "line1%0D%0Aline2", "%0Aline1%0A%0A  line2 %0A"],
)
def test_each_line_of_a_mask_is_hidden(kind, mask):
    running = run(kind(steps(f"echo ::add-mask::{mask}; echo line1; echo at line2.")))
    assert lines(running, "stdout") == ["***", "at ***."]


def test_a_mask_is_the_value_that_its_escapes_stand_for(kind):
    escaped, plain = "100%2525 of it", "100%25 of it"
    words = f"echo '::add-mask::{escaped}'; echo {plain}; echo ::error::{escaped}"
    assert lines(run(kind(steps(words))), "stdout", "error") == ["***", "***"]


@pytest.mark.parametrize("mask", ["", "abc", "%0A", "ab%0Ac", "  abc"])
def test_a_mask_that_is_too_short_is_refused_by_a_line_without_it(kind, mask):
    running = run(kind(steps(f"echo '::add-mask::{mask}'; echo abc")))
    refusal = (
        "::add-mask:: was refused: a value of fewer than 4 characters would hide too "
        "much."
    )
    assert [line[2:] for line in running.lines[1:3]] == [
        ("info", refusal),
        ("stdout", "abc"),
    ]


@pytest.mark.parametrize("before", ["", " ", "\\t"])
def test_the_line_of_a_mask_is_never_kept(kind, before):
    words = f'printf "{before}::add-mask::"; sleep 0.9; echo t0ken-abc; echo t0ken-abc'
    assert lines(run(kind(steps(words))), "stdout") == ["***"]


def test_a_mask_that_is_longer_than_a_line_hides_its_beginning_and_says_so(kind):
    long = "head -c 70000 /dev/zero | tr '\\0' a"
    running = run(kind(steps(f"printf ::add-mask::; {long}; echo; {long}; echo")))
    said, line = [text for *_, text in running.lines[1:3]]
    assert "only the beginning" in said
    assert line.startswith("*** … [cut")


def test_outputs_and_complaints_show_no_secret(kind):
    script = """
        printf '::set-output name=%s::%s\\n' "$1" "$1" n "$1"
        echo "::set-output name=j,type=json::{\\"$1\\": [\\"$1\\", 12345678]}"
        printf "a $1\\rb $1\\n"
        echo "::group::$1"; echo "::error::$1"; exit 3
    """
    text = with_secret(script, "{pin}") + "[job.params.pin]\nsecret = true\n"
    running = run(kind(text), {"password": "s3cret-word", "pin": "12345678"})
    assert running.result["outputs"] == {
        "***": "***",
        "n": "***",
        "j": {"***": ["***", "***"]},
    }
    assert lines(running, "stdout", "info")[1:] == ["b ***", "::group::***"]
    assert running.error == "Step “use” failed with exit code 3: ***"
    assert "s3cret" not in str((running.lines, running.result, running.error))


def test_what_is_not_there_to_run_is_named_without_the_secret(kind):
    text = "[job]\n[job.params.dir]\nsecret = true\n[[job.steps]]\n"
    for where in ('command = ["./{dir}"]', 'command = ["true"]\ncwd = "{dir}"'):
        running = run(kind(text + where), {"dir": "s3cret-dir"})
        assert running.outcome == "failed"
        assert "s3cret" not in str((running.lines, running.result, running.error))
        assert "***" in running.error


def test_a_task_with_more_masks_than_can_be_looked_for_ends(kind):
    many = "seq 1 5000 | sed s/^/::add-mask::secret-/; echo secret-4999; sleep 1000"
    running = run(kind(steps(many, "echo secret-4998")))
    assert running.outcome == "failed"
    assert lines(running, "stdout") == []
    says = "::add-mask:: named more than 1,000 lines of secrets."
    assert running.error == says
