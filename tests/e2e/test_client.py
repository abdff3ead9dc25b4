"""The client as it is handed out, run by the system's Python."""

import hashlib
import http.server
import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress

import pytest
import requests

from tests.e2e.conftest import ROOT, Service
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.e2e

PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or "python3"


class Client:
    """The program in a folder of its own, with a home of its own."""

    def __init__(self, folder, service: Service) -> None:
        self.service, self.home = service, folder
        self.program = folder / "resource-sync"
        self.program.write_bytes(requests.get(f"{service.url}/client").content)
        self.program.chmod(0o755)
        self.config = folder / "config/resource-sync/account.json"
        self.env = {
            "PATH": f"{folder}:/usr/bin:/bin",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "RESOURCE_SYNC_URL": service.url,
            "RESOURCE_SYNC_KEY": service.api_key,
        }

    def run(self, *arguments, code=0, env=None, **options):
        done = subprocess.run(
            [PYTHON, self.program, *arguments],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            **{"input": "", **options},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def begin(self, *arguments, **env):
        return subprocess.Popen(
            [PYTHON, self.program, *arguments],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def client(service, tmp_path):
    return Client(tmp_path, service)


def lines_of(output):
    """The messages that the client printed, without time and level."""
    return [line[17:] for line in output.splitlines()]


def ended(process, code):
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code, output + errors
    return output, errors


# --- Handing out ---------------------------------------------------------------------


def test_the_file_is_handed_out_without_a_key_and_with_its_digest(service, client):
    answer = requests.get(f"{service.url}/client")
    digest = hashlib.sha256(answer.content)
    told = requests.get(f"{service.url}/client.sha256").text
    assert told == f"{digest.hexdigest()}  resource-sync\n"
    assert 'filename="resource-sync"' in answer.headers["Content-Disposition"]
    assert service.url in client.program.read_text()


def test_it_prints_its_version_and_says_when_the_service_has_another(client):
    done = client.run("--version")
    ours = re.match(r"resource-sync (\d+\.\d+)", done.stdout)[1]
    assert "Get the new one" not in done.stderr
    client.program.write_text(
        client.program.read_text().replace(f"VERSION = '{ours}", "VERSION = '0.9")
    )
    assert f"{client.service.url}/client" in client.run("--version").stderr


# --- Logging in ----------------------------------------------------------------------


def test_login_keeps_the_key_for_its_owner_alone(client):
    del client.env["RESOURCE_SYNC_URL"], client.env["RESOURCE_SYNC_KEY"]
    client.run("login", input=f"{client.service.api_key}\n")
    assert stat.S_IMODE(client.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(client.config.parent.stat().st_mode) == 0o700
    assert "check-integrity" in client.run("types").stdout


def test_a_wrong_key_is_not_kept(client):
    client.env["RESOURCE_SYNC_KEY"] = "rs_wrong"
    done = client.run("login", code=3)
    assert done.stderr == "resource-sync: The API key is wrong.\n"
    assert not client.config.exists()


def test_a_kept_key_is_sent_to_no_other_service(client):
    client.run("login")
    del client.env["RESOURCE_SYNC_KEY"]
    elsewhere = {"RESOURCE_SYNC_URL": "http://127.0.0.1:9"}
    done = client.run("types", code=2, env=elsewhere)
    assert "No key for http://127.0.0.1:9" in done.stderr


def test_a_file_that_others_may_read_is_refused(client):
    client.run("login")
    del client.env["RESOURCE_SYNC_KEY"]
    client.config.chmod(0o644)
    assert "chmod 600" in client.run("types", code=2).stderr


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Sends everybody to another address, and keeps what came there."""

    def do_GET(self):
        self.server.paths.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_no_redirect_gets_the_key(client):
    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        server.paths = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = client.run("types", code=3, env={"RESOURCE_SYNC_URL": url})
        server.shutdown()
    assert "/elsewhere" in done.stderr
    assert server.paths == ["/api/task-types"]


# --- Starting and following ----------------------------------------------------------


def test_start_prints_the_id_and_goes(client):
    done = client.run("start", "say", "text=hello there")
    task = client.service.wait_for(done.stdout.strip())
    assert task["params"] == {"text": "hello there"}
    assert f"{client.service.url}/tasks/{task['id']}" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["count", "n=2000"], 0, id="completed"),
        pytest.param(["breaks"], 1, id="failed"),
    ],
)
@pytest.mark.parametrize("how", ["--follow", "--wait"])
def test_the_exit_code_is_the_task_s(client, words, code, how):
    kind, *params = words
    done = client.run("start", kind, how, *params, code=code)
    task_id = re.search(r"/tasks/(\S+)", done.stderr)[1]
    if how == "--follow":
        assert lines_of(done.stdout) == client.service.messages(task_id)
    else:
        assert done.stdout == ""


def test_a_cancelled_task_is_130(client):
    following = client.begin("start", "gate", "--follow")
    task_id = re.search(r"/tasks/(\S+)", following.stderr.readline())[1]
    client.run("cancel", task_id[:13])
    ended(following, 130)


def test_json_is_one_event_a_line(client):
    done = client.run("start", "count", "n=3", "--follow", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["type"] == "connected"
    assert events[-1]["type"] == "end"
    logs = [event["log"]["seq"] for event in events if event["type"] == "log"]
    assert logs == [1, 2, 3, 4, 5]


def test_json_of_a_wait_is_the_ended_task(client):
    done = client.run("start", "breaks", "--wait", "--json", code=1)
    assert json.loads(done.stdout)["status"] == "failed"


# --- What goes wrong on the way ------------------------------------------------------


@contextmanager
def cutting(port, each, most=None):
    """A proxy that cuts a connection after so many bytes of its answer; ``most``: only
    the first so many connections."""

    def serve():
        while True:
            try:
                inner, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=carry, args=(inner,), daemon=True).start()

    def carry(inner):
        with inner, socket.create_connection(("127.0.0.1", port)) as outer:
            # A request's head and body may come one after the other.
            threading.Thread(target=ask, args=(inner, outer), daemon=True).start()
            is_cut = most is None or len(cuts) < most
            left = each if is_cut else sys.maxsize
            while left and (data := outer.recv(min(left, 4096))):
                inner.sendall(data)
                left -= len(data)
            cuts.append(left == 0)
            for each_side in (inner, outer):  # closing alone wakes nobody
                with suppress(OSError):
                    each_side.shutdown(socket.SHUT_RDWR)

    def ask(inner, outer):
        with suppress(OSError):  # cut by then
            while data := inner.recv(65536):
                outer.sendall(data)

    cuts = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], cuts


def test_no_line_is_lost_or_doubled_when_the_connection_is_cut(client):
    task_id = client.service.create("slowly", n="60", pause="0.05")
    with cutting(client.service.port, each=2500) as (port, cuts):
        client.env["RESOURCE_SYNC_URL"] = f"http://127.0.0.1:{port}"
        done = client.run("follow", task_id)
    assert cuts.count(True) > 1
    assert lines_of(done.stdout) == client.service.messages(task_id)
    assert "differ" not in done.stderr


def test_no_line_is_lost_or_doubled_when_the_service_restarts(new_service, tmp_path):
    service = new_service()
    service.prepare()
    service.run()
    client = Client(tmp_path, service)
    following = client.begin("start", "slowly", "n=80", "--follow")
    task_id = re.search(r"/tasks/(\S+)", following.stderr.readline())[1]
    first = [following.stdout.readline() for _ in range(5)]
    service.kill("web")
    assert "Trying again…" in following.stderr.readline()
    service.start("web")
    # Not communicate(), which does not know of lines that were read ahead.
    with following:
        output, errors = following.stdout.read(), following.stderr.read()
    assert following.returncode == 0, errors
    assert lines_of("".join(first) + output) == service.messages(task_id)
    assert "differ" not in errors
    assert "Connected again." in errors


def test_a_service_that_stays_away_ends_it_in_one_line(client):
    client.env["RESOURCE_SYNC_URL"] = f"http://127.0.0.1:{free_port()}"
    done = client.run("types", "--patience", "0", code=3)
    assert done.stderr.startswith("resource-sync: Cannot reach http://127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_a_start_that_is_sent_twice_starts_one_task(client):
    """The answer to the first is cut, so the client can't know that it was heard."""
    text = os.urandom(8).hex()
    with cutting(client.service.port, each=20, most=2) as (port, cuts):
        client.env["RESOURCE_SYNC_URL"] = f"http://127.0.0.1:{port}"
        client.run("start", "say", f"text={text}")
        assert cuts.count(True) == 2
    found = client.service.request("GET", "/api/tasks?type=say&limit=100").json()
    assert [one["params"].get("text") for one in found["tasks"]].count(text) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["start", "no-such"], 3, "There is no task type", id="type"),
        pytest.param(["start", "count", "n=x"], 3, "n: ", id="value"),
        pytest.param(["start", "count", "n"], 2, "name=value", id="no-value"),
        pytest.param(["follow", "ffff"], 2, "No task's id begins", id="no-such-task"),
        pytest.param(["follow", "../x"], 2, "No task's id begins", id="no-id"),
        pytest.param(["fly"], 2, "invalid choice", id="command"),
    ],
)
def test_what_can_not_be_done_is_said(client, words, code, said):
    done = client.run(*words, code=code)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_it_speaks_chinese_where_the_environment_does(client):
    done = client.run("start", "count", "n", code=2, env={"LANG": "zh_CN.UTF-8"})
    assert "参数写作 name=value" in done.stderr


# --- Ctrl-C --------------------------------------------------------------------------


def test_ctrl_c_stops_following_and_says_how_to_cancel(client):
    following = client.begin("start", "gate", "--follow")
    task_id = re.search(r"/tasks/(\S+)", following.stderr.readline())[1]
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, errors = ended(following, 130)
    assert f"resource-sync cancel {task_id}" in errors
    assert client.service.task(task_id)["status"] == "running"
    client.run("cancel", task_id)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stopped_job_cancels_its_task_where_it_says_so(client, name):
    following = client.begin("start", "gate", "--follow", "--cancel-on-interrupt")
    task_id = re.search(r"/tasks/(\S+)", following.stderr.readline())[1]
    following.stdout.readline()
    following.send_signal(getattr(signal, name))
    ended(following, 130)
    assert client.service.task(task_id)["status"] == "cancelled"


def test_a_reader_that_goes_away_ends_it_quietly(client):
    following = client.begin("start", "count", "n=200000", "--follow")
    following.stdout.close()
    following.stdout = None
    _, errors = following.communicate(timeout=PATIENCE_SECONDS)
    assert following.returncode == 141
    assert "Traceback" not in errors


# --- A terminal ----------------------------------------------------------------------


def on_a_terminal(client, *arguments, **env):
    """What a terminal got of it."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PYTHON, client.program, *arguments],
        env={**client.env, "TERM": "xterm", **env},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        got = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux, when the other end is closed
                break
            if not data:
                break
            got += data
        process.wait(PATIENCE_SECONDS)
    os.close(ours)
    return got.decode()


def test_a_terminal_gets_a_bar_and_colours(client):
    got = on_a_terminal(client, "start", "three-steps", "--follow")
    assert "░" in got
    assert "\x1b[2m" in got


def test_no_color_is_heard(client):
    got = on_a_terminal(client, "start", "three-steps", "--follow", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", got)


@pytest.mark.parametrize("command", ["follow", "logs"])
def test_a_terminal_obeys_nothing_that_a_job_prints(client, command):
    task_id = client.service.create("rude")
    client.service.wait_for(task_id)
    got = on_a_terminal(client, command, task_id)
    assert "\x1b]" not in got
    assert "\x1b[31mred" in got


# --- Reading -------------------------------------------------------------------------


def test_the_newest_tasks_are_listed(client):
    task_id = client.service.create("say", text="listed")
    client.service.wait_for(task_id)
    done = client.run("list", "--type", "say", "--limit", "5")
    row = next(row for row in done.stdout.splitlines() if row.startswith(task_id[:8]))
    assert "text=listed" in row
    assert "completed" in row


def test_logs_are_every_byte(client):
    task_id = client.service.create("count", n="5000")
    client.service.wait_for(task_id)
    path = f"/api/tasks/{task_id}/logs.txt"
    assert (
        client.run("logs", task_id).stdout == client.service.request("GET", path).text
    )
    lines = client.run("logs", task_id, "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 5003))


def test_a_rerun_takes_other_parameters(client):
    first = client.service.create("say", text="one")
    client.service.wait_for(first)
    done = client.run("rerun", first, "text=two", "--wait")
    task_id = re.search(r"/tasks/(\S+)", done.stderr)[1]
    task = client.service.task(task_id)
    assert (task["rerunOf"], task["params"]) == (first, {"text": "two"})


def test_all_that_filters_find_are_run_again_and_cancelled(client):
    held = client.service.create("gate")
    client.service.wait_for(held, "running")
    waiting = [client.service.create("gate") for _ in range(2)]
    filters = ("--type", "gate", "--status", "pending")
    asked = client.run("cancel", *filters, code=2)
    assert "Tasks to cancel: 2." in asked.stderr
    assert "--yes" in asked.stderr
    assert client.service.task(waiting[0])["status"] == "pending"
    done = client.run("cancel", *filters, "--yes")
    assert done.stdout.splitlines() == [f"{one} cancelled" for one in waiting]
    client.run("cancel", held)
    client.service.wait_for(held)
    again = client.run("rerun", "--type", "gate", "-q", waiting[1], "--yes", "--json")
    (made,) = json.loads(again.stdout)["results"]
    assert made["taskId"] == waiting[1]
    client.run("cancel", made["newTaskId"])


@pytest.mark.parametrize(
    ("answer", "status"), [(b"y\n", "cancelled"), (b"\n", "pending")]
)
def test_a_person_is_asked_before_several_tasks_are_cancelled(client, answer, status):
    held = client.service.create("gate")
    client.service.wait_for(held, "running")
    waiting = client.service.create("gate")
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    filters = ("--type", "gate", "--status", "pending")
    code = 0 if status == "cancelled" else 3
    done = client.run("cancel", *filters, code=code, stdin=theirs, input=None)
    assert waiting[:8] in done.stderr
    assert client.service.task(waiting)["status"] == status
    for task_id in (waiting, held):
        with suppress(AssertionError):
            client.run("cancel", task_id)
        client.service.wait_for(task_id)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "words",
    [
        ["cancel"],
        ["cancel", "abcd", "--status", "pending"],
        ["cancel", "--status", "pending", "--force"],
        ["rerun", "--status", "failed", "--follow"],
    ],
)
def test_one_task_or_filters_is_said_and_not_both(client, words):
    assert client.run(*words, code=2).stdout == ""


def test_releases_and_changes_are_shown(client, demo):
    assert "ios" in client.run("releases").stdout
    versions = client.service.request("GET", "/api/versions?platform=ios").json()
    newest = versions["versions"][0]["version"]
    assert newest in client.run("changes", "ios", "--to", newest).stdout


def test_a_secret_comes_from_standard_input(client):
    done = client.run("start", "say", "text=@-", "--wait", "--json", input="s3cr3t\n")
    assert json.loads(done.stdout)["params"]["text"] == "s3cr3t"


def test_who_waits_hears_whom_the_task_asks_and_how_it_was_decided(client):
    waits = client.begin("start", "ask-anybody", "--wait")
    client.service.wait_for(newest_task(client, "ask-anybody"), "blocked")
    task_id = newest_task(client, "ask-anybody")
    done = client.run("approve", task_id, "--comment", "Looks good.")
    assert done.stdout.startswith(f"{task_id} ")
    _, said = waits.communicate(timeout=PATIENCE_SECONDS)
    assert waits.returncode == 0
    assert said.count("Awaiting approval by leads: Go on?") == 1
    assert f"resource-sync approve {task_id}" in said
    late = client.run("reject", task_id, code=3)
    assert "approved it at" in late.stderr


def test_a_rejected_task_ends_as_a_cancelled_one(client):
    waits = client.begin("start", "ask-anybody", "--wait")
    client.service.wait_for(newest_task(client, "ask-anybody"), "blocked")
    client.run("reject", newest_task(client, "ask-anybody"), "--comment", "No.")
    _, said = waits.communicate(timeout=PATIENCE_SECONDS)
    assert waits.returncode == 130
    assert "Rejected by" in said


def newest_task(client, name):
    def found():
        path = f"/api/tasks?type={name}&limit=1"
        tasks = client.service.request("GET", path).json()["tasks"]
        return tasks and not tasks[0]["completedAt"] and tasks[0]["id"]

    return wait_until(found, f"a task of {name}")


def test_a_decision_needs_what_the_service_asks(client):
    """That there is nothing to decide is said by the service, in one line."""
    task_id = client.service.create("say")
    for command in ("approve", "reject"):
        done = client.run(command, task_id, "--comment", "seen", code=3)
        assert done.stderr.count("\n") == 1


# --- Completion ----------------------------------------------------------------------


def completed(client, *words):
    return client.run("complete", "--", *words).stdout.split()


def test_words_are_completed_by_what_there_is(client):
    assert completed(client, "sta") == ["start"]
    assert completed(client, "start", "check-i") == ["check-integrity"]
    assert completed(client, "start", "check-integrity", "ver") == ["version="]
    assert "--follow" in completed(client, "start", "--f")
    task_id = client.service.create("say")
    assert task_id in completed(client, "follow", "")


def test_completion_is_silent_where_the_service_is_away(client):
    client.env["RESOURCE_SYNC_URL"] = f"http://127.0.0.1:{free_port()}"
    done = client.run("complete", "--", "start", "")
    assert (done.stdout, done.stderr) == ("", "")


BASH = """
eval "$(resource-sync completion bash)"
COMP_LINE="resource-sync start check-integrity ver" COMP_POINT=39
_resource_sync 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { :; }
compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@"; }
eval "$(resource-sync completion zsh)"
words=(resource-sync start check-integrity ver) CURRENT=4
_resource_sync
"""
FISH = """
resource-sync completion fish | source
complete --do-complete "resource-sync start check-integrity ver"
"""


@pytest.mark.parametrize(
    ("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)]
)
def test_a_shell_completes(client, shell, script):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", script], env=client.env, capture_output=True, text=True
    )
    assert done.stdout.split() == ["version="], done.stderr


# --- The snippets of the how-to ------------------------------------------------------

HOW_TO = ROOT / "docs/how-to/client.md"
VARIABLES = {"CI_JOB_ID": "7", "BUILD_TAG": "b-7", "GITHUB_RUN_ID": "7"}


def commands_of(heading):
    """The shell lines of a snippet, as its CI system would run them."""
    text = HOW_TO.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()]
    return [line for line in lines if line.startswith(("curl ", "python3 "))]


@pytest.mark.parametrize("heading", ["GitLab CI", "Jenkins", "GitHub Actions"])
def test_a_snippet_of_the_how_to_runs(client, demo, heading):
    commands = commands_of(heading)
    assert len(commands) == 2
    client.program.unlink()
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        cwd=client.home,
        env={**client.env, **VARIABLES, "GITHUB_RUN_ATTEMPT": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    task_id = re.search(r"/tasks/(\S+)", done.stderr)[1]
    task = client.service.task(task_id)
    assert (task["type"], task["status"]) == ("check-integrity", "completed")
    assert done.returncode == 0, done.stderr
    assert lines_of(done.stdout) == client.service.messages(task_id)
