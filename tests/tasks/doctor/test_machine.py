"""This machine: disks, who may read what, systemd's units."""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection

from tasks.databases.sqlite3.space import Space
from tasks.doctor import machine
from tasks.doctor.findings import State
from tests.left_out import reason_against_memory_disk

pytestmark = pytest.mark.django_db


@pytest.fixture
def mounted():
    """Mounts a small disk; ``more`` are its options."""
    if reason := reason_against_memory_disk():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="disk-"))

    def mount(more):
        options = ["-t", "tmpfs", "-o", more, "none", str(folder)]
        subprocess.run(["mount", *options], check=True)
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], check=False)
    folder.rmdir()


def problems(check, state=State.PROBLEM):
    return [finding.text for finding in check() if finding.state is state]


def test_a_full_disk_is_a_problem_and_one_with_little_room_a_warning(mounted, settings):
    settings.LOG_DIR = folder = mounted("size=16m")
    assert "has only 16.0 MiB left" in problems(machine.disks, State.WARNING)[0]
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(1024 * 1024))
    assert problems(machine.disks) == [f"The disk of LOG_DIR ({folder}) is full."]


def test_a_disk_without_inodes_is_a_problem(mounted, settings):
    settings.LOG_DIR = folder = mounted("size=16m,nr_inodes=3")
    with suppress(OSError):
        for number in range(5):
            (folder / str(number)).touch()
    assert "its inodes are used up" in problems(machine.disks)[0]


def test_a_read_only_folder_is_a_problem(mounted, settings):
    settings.LOG_DIR = folder = mounted("size=16m,ro")
    (found,) = problems(machine.disks)
    assert found.startswith(f"Nothing can be written to LOG_DIR ({folder}):")


def test_a_folder_that_is_not_there_is_a_problem(tmp_path, settings):
    settings.LOG_DIR = tmp_path / "gone"
    assert "can't be looked at" in problems(machine.disks)[0]


@pytest.fixture
def installation(settings):
    """Folders that everybody may pass through, as /opt and /var are; tmp_path's
    parents are closed."""
    with tempfile.TemporaryDirectory(prefix="open-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings.BASE_DIR = settings.DATA_DIR = settings.LOG_DIR = folder
        yield folder


def test_secrets_that_others_can_read_are_a_problem(installation, monkeypatch):
    secret, key = installation / ".env", installation / "signing.pem"
    monkeypatch.setenv("RESOURCE_SIGNING_KEY", str(key))
    for path in (secret, key):
        path.write_text("s3cret")
        path.chmod(0o644)
    found = list(machine.files())
    assert [finding.text for finding in found] == [
        f"Other accounts can read {secret}.",
        f"Other accounts can read {key}.",
    ]
    assert found[0].advice == f"Run chmod 600 {secret}"
    for path in (secret, key):
        path.chmod(0o600)
    assert [finding.state for finding in machine.files()] == [State.OK]


def test_what_lies_in_a_closed_folder_is_closed(installation):
    (installation / ".env").write_text("s3cret")
    (installation / ".env").chmod(0o644)
    installation.chmod(0o700)
    assert problems(machine.files) == []


def test_a_folder_that_others_can_write_to_is_a_problem(installation):
    installation.chmod(0o777)
    assert "can write to DATA_DIR" in problems(machine.files)[0]


def test_installed_units_are_compared_with_those_of_this_version(
    tmp_path, settings, monkeypatch
):
    monkeypatch.setattr(machine, "UNITS_FOLDER", tmp_path)
    assert [finding.state for finding in machine.units()] == [State.SKIPPED]
    name = "resource-sync-runner.service"
    shipped = settings.BASE_DIR / "deploy" / "systemd" / name
    (tmp_path / name).write_text(shipped.read_text())
    assert problems(machine.units, State.WARNING) == []
    (tmp_path / name).write_text("[Unit]\n")
    found = problems(machine.units, State.WARNING)
    assert found == [f"{tmp_path / name} is not the unit of this version."]


SHOWN = """\
Id=resource-sync-web@1.service
ActiveState=active
SubState=running
NRestarts=0
NeedDaemonReload=no
UnitFileState=enabled

Id=resource-sync-runner.service
ActiveState=activating
SubState=auto-restart
NRestarts=41
NeedDaemonReload=no
UnitFileState=enabled

Id=resource-sync.target
ActiveState=inactive
SubState=dead
NeedDaemonReload=no
UnitFileState=enabled
"""


def test_units_that_do_not_run_are_named(tmp_path, settings, monkeypatch):
    units, programs = tmp_path / "units", tmp_path / "programs"
    units.mkdir()
    programs.mkdir()
    name = "resource-sync.target"
    shipped = settings.BASE_DIR / "deploy" / "systemd" / name
    (units / name).write_text(shipped.read_text())
    (programs / "shown").write_text(SHOWN)
    systemctl = programs / "systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat {programs}/shown\n")
    systemctl.chmod(0o755)
    monkeypatch.setattr(machine, "UNITS_FOLDER", units)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert [(finding.state, finding.text) for finding in machine.units()] == [
        (State.OK, "resource-sync-web@1.service is active."),
        (
            State.PROBLEM,
            "resource-sync-runner.service does not run: activating, started again "
            "41 times.",
        ),
        (State.WARNING, "resource-sync.target is enabled, but stopped."),
    ]


def test_settings_that_contradict_each_other_are_told(settings):
    settings.WEB_PROCESSES, settings.RATE_LIMIT_READ = 4, (600, 60)
    (finding,) = machine.own_settings()
    assert finding.state is State.WARNING
    assert "REDIS_URL" in finding.advice


def test_room_that_a_file_can_t_give_back_is_a_warning(monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL gives room back by itself")
    assert problems(machine.database_size, State.WARNING) == []
    free = Space(page_bytes=4096, pages=100_000, free_pages=50_000, shrinks=False)
    monkeypatch.setattr(machine, "space", lambda _: free)
    (found,) = problems(machine.database_size, State.WARNING)
    assert found.startswith("195.3 MiB of the database's file are free")
    monkeypatch.setattr(machine, "space", lambda _: free._replace(shrinks=True))
    assert problems(machine.database_size, State.WARNING) == []
