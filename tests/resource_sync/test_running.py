"""What runs with a DATA_DIR is told, found and ended."""

import os
import re
import subprocess
import sys

import psutil
import pytest

from resource_sync import running
from tasks.runner import shutdown as runner


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def process(data):
    """Makes a process that looks like a part of the product."""
    made = []

    def make(*words, **environ):
        code = "import sys; print(flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()
        process.communicate()


@pytest.fixture
def supervisor(process, data):
    process = process("-m", "resource_sync.supervise")
    (running.run_folder(data) / "supervisord.pid").write_text(str(process.pid))
    return process


def test_a_stale_pid_file_is_not_taken_for_a_running_supervisor(data):
    (running.run_folder(data) / "supervisord.pid").write_text(str(os.getpid()))
    assert running.running_pid() is None


def test_a_second_start_is_told_since_when_it_runs_and_how_to_end_it(supervisor):
    said = rf"already running .* \(since \d.*, process {supervisor.pid}\); `make stop`"
    with pytest.raises(SystemExit, match=said):
        running.refuse_second_start()


def test_two_starts_at_once_are_one_and_one_that_names_it(data):
    held = running.only_start()
    try:
        with pytest.raises(
            SystemExit, match=f"at this moment, by process {os.getpid()}"
        ):
            running.only_start()
    finally:
        os.close(held)
    os.close(running.only_start())


def test_a_lock_is_held_by_what_the_start_turns_into(data):
    held = running.only_start()
    program = ["sh", "-c", "echo up; read line"]
    with subprocess.Popen(
        program, pass_fds=[held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as heir:
        assert heir.stdout.readline() == b"up\n"
        os.close(held)
        with pytest.raises(SystemExit, match="at this moment"):
            running.only_start()
        heir.communicate(b"\n")
    os.close(running.only_start())


def orphan(process, data):
    return process(SUPERVISE_RUN=str(data / "run"), SUPERVISOR_GROUP_NAME="runner")


def test_what_a_killed_supervisor_left_is_found_by_status_and_start(
    process, data, capsys, monkeypatch
):
    left = orphan(process, data)
    assert running.status() == running.WITHOUT_SUPERVISOR
    assert f"runner (process {left.pid})" in capsys.readouterr().out
    monkeypatch.setattr(running, "ORPHANS_SECONDS", 0)
    with pytest.raises(SystemExit, match=re.escape(f"runner (process {left.pid})")):
        running.refuse_second_start()


def test_another_installation_s_processes_are_none_of_ours(process, data, capsys):
    process(SUPERVISE_RUN="/elsewhere/run")
    assert running.status() == running.NOT_RUNNING
    assert running.stop() == 0
    assert capsys.readouterr().out == "Resource Sync is not running.\n" * 2


def test_orphans_that_the_kernel_asked_get_their_time_unless_a_stop_is_repeated(
    process, data, monkeypatch
):
    monkeypatch.setattr(psutil, "LINUX", True)
    left = orphan(process, data)
    command = [sys.executable, "-m", "resource_sync.start", "stop"]
    with subprocess.Popen(command, cwd=running.ROOT, stdout=subprocess.PIPE) as first:
        assert b"Waiting for the tasks" in first.stdout.readline()
        assert left.poll() is None
        subprocess.run(command, cwd=running.ROOT, check=True, stdout=subprocess.DEVNULL)
        assert left.wait() is not None
        assert first.stdout.read() == b"Stopped.\n"


@pytest.mark.parametrize("own", ["PORT=never\n", "DATA_DIR='unclosed\n", b"\xff\xfe"])
def test_a_stop_needs_no_good_settings(supervisor, data, monkeypatch, tmp_path, own):
    root = tmp_path / "clone"
    root.mkdir()
    (root / ".env").write_bytes(own if isinstance(own, bytes) else own.encode())
    monkeypatch.setattr(running, "ROOT", root)
    assert running.stop() == 0
    assert supervisor.poll() is not None


def test_data_dir_is_found_as_the_settings_find_it(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "ROOT", tmp_path)
    monkeypatch.delenv("DATA_DIR")
    assert running.data_dir() == tmp_path / "data"
    (tmp_path / ".env").write_text("DATA_DIR = ./elsewhere\n")
    assert running.data_dir() == tmp_path / "elsewhere"
    monkeypatch.setenv("DATA_DIR", "/srv/sync")
    assert str(running.data_dir()) == "/srv/sync"


def test_status_and_stop_need_no_good_settings_and_logs_neither(
    data, monkeypatch, tmp_path
):
    root = tmp_path / "clone"
    root.mkdir()
    (root / ".env").write_text("PORT=never\nLOG_DIR=./here\n")
    monkeypatch.setattr(running, "ROOT", root)
    monkeypatch.delenv("LOG_DIR")
    assert running.status() == running.NOT_RUNNING
    with pytest.raises(SystemExit, match=r"no logs in .*clone/here yet"):
        running.follow_logs()


def test_the_tasks_that_run_are_found_without_a_database():
    code = (
        "import os, subprocess, sys; print(flush=True);"
        "subprocess.Popen(['sleep', '60'], env={**os.environ, 'TASK_TYPE': 'pack',"
        "'TASK_ID': '1b2c3d4e-0000'}); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        parent.stdout.readline()
        tops = [psutil.Process(parent.pid)]
        assert running.wait_until(lambda: running.running_tasks(tops), 60)
        assert running.running_tasks(tops) == ["pack 1b2c3d4e"]
        for child in tops[0].children():
            child.kill()
        parent.communicate()


@pytest.mark.parametrize(
    ("how", "drain", "says"),
    [
        ({}, "0", "Running: a 1, b 2. They will be cancelled."),
        ({}, "30m", "may take 30m to end (RUNNER_DRAIN), and will then be cancelled."),
        ({"is_patient": True}, "30m", "may take 30m to end (RUNNER_DRAIN)"),
        ({"is_patient": True}, "0", "They will be waited for; `make stop` in another"),
        ({"is_second": True}, "30m", "They will be ended at once."),
    ],
)
def test_what_becomes_of_running_tasks_is_said(monkeypatch, how, drain, says):
    monkeypatch.setenv("RUNNER_DRAIN", drain)
    how = {"is_patient": False, "is_second": False, **how}
    assert says in running.what_becomes_of(["a 1", "b 2"], **how)


def test_the_runner_knows_the_signal_that_asks_for_patience():
    assert running.PATIENT == runner.PATIENT
