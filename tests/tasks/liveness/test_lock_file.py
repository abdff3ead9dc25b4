"""A runner's lock file says that it lives, and that nothing of it does any more."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tasks.liveness import lock_file
from tasks.liveness.lock_file import (
    LockFile,
    delete_lock_files,
    file_system_of,
    is_let_go,
    path_of,
)
from tasks.liveness.processes import boot_of, process_space
from tasks.models import Runner
from tasks.runner.loop import TaskRunner
from tasks.runner.process import Child
from tasks.shim.client import ForkServer, Program
from tests.factories import RunnerFactory
from tests.waiting import wait_until

CONTAINER = f"{boot_of(process_space())} pid:[1]"  # another one of this machine
ENV = {"PATH": os.environ["PATH"]}

HOLDER = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def lock():
    """The lock file of a runner, which this process holds."""
    lock = LockFile(uuid.uuid4())
    yield lock
    lock.close()


@pytest.fixture
def free_lock():
    """The lock file of a runner that has gone."""
    lock = LockFile(uuid.uuid4())
    lock.close()
    return lock


def row_of(lock, **columns):
    """That runner's row, as one in another container stored it."""
    columns = {"process_space": CONTAINER, "lock_file": lock.identity, **columns}
    return Runner(id=lock.runner_id, **columns)


def test_a_runner_lives_while_its_lock_is_held_however_often_one_looks(lock):
    row = row_of(lock)
    assert not is_let_go(row)
    assert not is_let_go(row)


def test_a_runner_is_dead_as_soon_as_its_lock_is_not_held():
    lock = LockFile(uuid.uuid4())
    row = row_of(lock)
    lock.close()
    assert is_let_go(row)


def test_a_process_that_is_killed_lets_go(free_lock):
    row = row_of(free_lock)
    command = [sys.executable, "-c", HOLDER, path_of(row.pk)]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert not is_let_go(row)
        holder.kill()
    assert is_let_go(row)


def test_who_looks_at_the_same_time_is_not_taken_for_the_runner(monkeypatch, free_lock):
    row = row_of(free_lock)
    identity_of, seen = lock_file._identity, []

    def look_meanwhile(fd):
        monkeypatch.setattr(lock_file, "_identity", identity_of)
        seen.append(is_let_go(row))
        return identity_of(fd)

    monkeypatch.setattr(lock_file, "_identity", look_meanwhile)
    assert is_let_go(row)
    assert seen == [True]


@pytest.mark.parametrize(
    "columns",
    [
        {"lock_file": ""},
        {"lock_file": "1:1"},
        {"process_space": "another-start pid:[1]"},
        {"process_space": ""},
    ],
    ids=["no lock", "another file", "another machine, or start of it", "unknown"],
)
def test_a_lock_that_says_nothing_kills_nobody(columns, free_lock):
    assert not is_let_go(row_of(free_lock, **columns))


def test_a_file_that_is_not_there_kills_nobody(free_lock):
    path_of(free_lock.runner_id).unlink()
    assert not is_let_go(row_of(free_lock))


# --- The runner's side --------------------------------------------------------------


def test_the_lock_is_held_until_the_helpers_have_ended_what_ran():
    lock = LockFile(uuid.uuid4())
    fork_server = ForkServer(lock.runner_id, lock=lock.fd)
    child = Child(fork_server, Program(["sleep", "1000"], "/", ENV))
    lock.close()  # as if the runner itself had gone
    row = row_of(lock)
    assert not is_let_go(row)
    child.abandon()
    assert not is_let_go(row)
    fork_server.close()
    wait_until(lambda: is_let_go(row), "the helpers to let go")


def test_a_fork_server_that_follows_another_holds_it_too():
    lock = LockFile(uuid.uuid4())
    fork_server = ForkServer(lock.runner_id, lock=lock.fd)
    fork_server._process.kill()
    fork_server._process.wait()
    Child(fork_server, Program(["true"], "/", ENV)).abandon()
    lock.close()
    assert not is_let_go(row_of(lock))
    fork_server.close()
    wait_until(lambda: is_let_go(row_of(lock)), "the helpers to let go")


def test_programs_do_not_see_it(lock, tmp_path):
    fork_server = ForkServer(lock.runner_id, lock=lock.fd)
    seen = tmp_path / "seen"
    look = f"ls -l /proc/self/fd > {seen}.part; mv {seen}.part {seen}"
    child = Child(fork_server, Program(["sh", "-c", look], "/", ENV))
    wait_until(seen.exists, "the program to look")
    child.abandon()
    fork_server.close()
    assert str(seen) in seen.read_text()  # its own output
    assert ".lock" not in seen.read_text()


@pytest.mark.django_db(transaction=True)
def test_a_runner_notes_its_lock_and_lets_go_when_it_ends():
    runner = TaskRunner()
    row = runner.row
    row.refresh_from_db()
    assert row.lock_file == runner._lock.identity != ""
    Runner.objects.filter(pk=row.pk).update(process_space=CONTAINER)
    row.refresh_from_db()
    assert not is_let_go(row)
    runner.run(once=True)
    wait_until(lambda: is_let_go(row), "its helpers to let go")


@pytest.mark.django_db(transaction=True)
def test_where_no_file_can_be_made_a_runner_runs_without(data_dir, caplog):
    (data_dir / "runners").write_text("no folder")
    runner = TaskRunner()
    runner.run(once=True)
    assert runner.row.lock_file == ""
    assert "No lock file" in caplog.text


def test_a_lock_on_another_machines_disk_is_not_relied_on(monkeypatch):
    monkeypatch.setattr(lock_file, "file_system_of", lambda path: "nfs4")
    lock = LockFile(uuid.uuid4())
    lock.close()
    assert lock.identity == ""


def test_the_type_of_a_file_system_is_that_of_the_mount_nearest_to_it(tmp_path):
    assert file_system_of(Path("/proc/self/fd")) == "proc"
    assert file_system_of(tmp_path) in lock_file.LOCAL


@pytest.mark.django_db(transaction=True)
def test_a_runner_that_starts_deletes_what_dead_ones_left(lock):
    dead, stopped, living = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    for each in (dead, stopped, living):
        LockFile(each).close()
    RunnerFactory(id=stopped, stopped_at="2026-01-01T00:00Z")
    RunnerFactory(id=living)
    other = path_of(dead).with_name("notes.lock")
    other.touch()

    runner = TaskRunner()
    kept = set(path_of(dead).parent.iterdir())
    runner.run(once=True)
    # One that is held belongs to a runner that has not stored its row yet.
    those = {living, lock.runner_id, runner.row.pk}
    assert kept == {other, *map(path_of, those)}


def test_there_may_be_nothing_to_delete():
    delete_lock_files(set())
