"""Many clients at once, each of them exact."""

import random
import socket
import time

import pytest

from tests.waiting import wait_until

from .flow import wait_for_lines
from .viewers import Viewer, assert_exact, watching

pytestmark = pytest.mark.e2e


class Wanderer(Viewer):
    """Joins at some moment of a log, and drops and comes back at random."""

    def __init__(self, service, task_id, pacemaker, dice, lines):
        self._dice = dice
        self._pacemaker = pacemaker
        self._joins_at = dice.randrange(lines)
        tail = dice.choice(["", "", f"?tail={dice.randrange(1, lines)}"])
        super().__init__(service, task_id, query=tail, most_bytes=self._patience)

    def _patience(self):
        # From a line or two to most of the log, each order of size equally often.
        return 2 ** self._dice.uniform(8, 22)

    def watch(self):
        wait_until(
            lambda: self._pacemaker.last >= self._joins_at,
            f"line {self._joins_at}",
        )
        super().watch()

    def visit(self):
        time.sleep(self._dice.uniform(0, 0.05))
        super().visit()


def test_fifty_clients_that_join_drop_and_return_at_random_miss_and_double_nothing(
    service,
):
    seed = random.randrange(10**6)
    task_id = service.create(
        "flow", lines="50000", burst="500", pause="0.03", width="0"
    )
    pacemaker = Viewer(service, task_id)
    wanderers = [
        Wanderer(service, task_id, pacemaker, random.Random(f"{seed}/{n}"), 50_000)
        for n in range(50)
    ]
    try:
        with watching(pacemaker, *wanderers):
            pass
        lines = assert_exact(service, task_id, pacemaker, *wanderers)
    except AssertionError as failure:
        raise AssertionError(f"with the seed {seed}") from failure
    assert len(lines) > 50_000
    assert pacemaker.first == 1
    assert any(viewer.first > 1 for viewer in wanderers), "nobody began at a tail"


@pytest.fixture
def more_runners(service):
    """Room for 20 tasks at once and some more."""
    service.start("more", "--concurrency", "16")
    wait_until(
        lambda: service.request("GET", "/health").json()["runners"] == 2,
        "the second runner",
    )
    yield
    service.stop_one("more")


def never_read(service, task_id):
    """A connection that asks for a stream and then takes nothing of it."""
    sleeper = socket.create_connection(("127.0.0.1", service.port))
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = (
        f"GET /api/tasks/{task_id}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-API-Key: {service.api_key}\r\n\r\n"
    )
    sleeper.sendall(request.encode())
    return sleeper


def test_twenty_tasks_with_twenty_viewers_each_and_one_that_never_reads_are_whole(
    service, more_runners
):
    many = {"lines": "1000", "burst": "20", "pause": "0.02", "gate": "gate"}
    longest = {**many, "lines": "10000", "burst": "200", "width": "200"}
    tasks = [service.create("flow", **many) for _ in range(19)]
    tasks.append(service.create("flow", **longest))
    viewers = {
        task_id: [Viewer(service, task_id) for _ in range(20)] for task_id in tasks
    }
    everybody = [viewer for crowd in viewers.values() for viewer in crowd]
    with never_read(service, tasks[-1]), watching(*everybody):
        try:
            wait_for_lines(everybody, 1)
        finally:
            (service.data_dir / "gate").touch()
    for task_id, crowd in viewers.items():
        assert_exact(service, task_id, *crowd)
        assert {viewer.connections for viewer in crowd} == {1}
