"""Real disks that fill up while the product runs, and get room again."""

import errno
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.left_out import reason_against_memory_disk
from tests.waiting import wait_until

from .cluster import own_cluster
from .conftest import Service, manage

pytestmark = pytest.mark.e2e
LINES = 500_000
UNLIMITED = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0", "TASK_RETENTION": "0"}
SAYS = "The disk of the database is full"


@pytest.fixture
def small_disk():
    """A disk of 300 MB that every account may enter, PostgreSQL's too."""
    if reason := reason_against_memory_disk():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=300m,mode=755", "none", str(folder)]
    subprocess.run(command, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def fill(folder):
    """Leave no byte on a disk; returns what is to be deleted for room."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            try:
                file.write(bytes(1024 * 1024))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                file.write(bytes(1))  # until not even this
    return ballast


def test_a_full_disk_is_told_and_nothing_is_lost(small_disk):
    data = small_disk / "service"
    data.mkdir()
    service = Service(data, "", **UNLIMITED)
    try:
        service.run()
        # What it prints soon needs more room than the journal has already.
        task = service.create("count", n=str(LINES))
        wait_until(lambda: service.task(task)["logCount"] > 0, "the first lines")
        check(service, lambda: fill(small_disk))
        found = service.wait_for(task)
        # And what it executed, and that it was successful.
        assert (found["status"], found["logCount"]) == ("completed", LINES + 2)
    finally:
        service.stop()


def test_a_full_disk_of_postgresql_is_told(small_disk, tmp_path):
    with own_cluster(folder=small_disk) as cluster:
        manage("migrate", DATABASE_URL=cluster.url)
        service = Service(tmp_path, cluster.url, **UNLIMITED)
        try:
            check(service.run(), lambda: fill(small_disk))
        finally:
            service.stop()


def check(service, fill_it):
    """Fill the disk, see that everybody is told, make room, and see it go on."""

    def start():
        return service.request("POST", "/api/tasks/say", json={"text": "x" * 900})

    def refused():
        answer = start()  # of itself it is false where it is an error
        return [answer] if answer.status_code != 202 else []

    ballast = fill_it()
    (answer,) = wait_until(refused, "a start to be refused")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(SAYS)
    health = service.request("GET", "/health")
    assert health.status_code == 503
    assert health.json()["database"] == "full"
    assert health.json()["reason"].startswith(SAYS)
    metrics = service.request("GET", "/metrics")
    assert "resource_sync_disk_free_bytes" in metrics.text

    os.truncate(ballast, 0)
    task = wait_until(lambda: not refused() and start(), "a start to be taken")
    wait_until(service.is_healthy, "it to be healthy again")
    assert service.wait_for(task.json()["taskId"])["status"] == "completed"
