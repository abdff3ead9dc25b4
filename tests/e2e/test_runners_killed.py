"""A thousand tasks on four runners, while random runners are killed all the while."""

import hashlib
import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import wait_until

from .conftest import Service, processes_with

# Every stream of hundreds is read: a minute, on a busy machine three.
pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

TASKS, RUNNERS, KILLS = 1_000, 4, 12
FEWER_TASKS, FEWER_KILLS = 250, 4
LASTING_EACH = 40  # one of so many
ENDS_WITHIN_SECONDS = 5  # what a killed runner leaves behind
RUNNER_DIED = re.compile(r"The runner \S+ stopped at about ")
# Each run is a short line in a file. Some go on until they are told that it is enough,
# with a process in a session of its own, so that every kill hits something.
TYPES = """
[{name}]
title = "Leaves a line each time that it runs"
idempotent = {idempotent}
[{name}.params.lasting]
choices = ["yes", "no"]
[[{name}.steps]]
name = "once"
command = [
    "sh", "-c", '''
        echo $0 >> $1; echo $0
        [ $3 = no ] && exit
        setsid sleep $2 > /dev/null 2>&1 &
        until [ -e $1.enough ]; do sleep 0.2; done
        kill $!; wait
    ''', "{{task_id}}", "{ran}", "{mark}", "{{lasting}}",
]
"""
SUBMIT = """
from django.db import transaction
from tasks.lifecycle import Actor, submit
with transaction.atomic():
    for number in range({count}):
        lasting = "no" if number % {lasting_each} else "yes"
        submit({task_type!r}, {{"lasting": lasting}}, Actor("tests"))
"""


@dataclass
class Crowd:
    """A product with several runners, and what its tasks leave behind."""

    service: Service
    mark: str
    ran: Path

    def start_runner(self, number: int) -> None:
        self.service.start(f"runner-{number}", "--concurrency", str(4 + number % 5))

    def kill_one(self) -> None:
        number = random.randrange(RUNNERS)
        self.service.kill(f"runner-{number}")
        self.start_runner(number)

    def submit(self, task_type: str, count: int) -> None:
        """All of them at once."""
        code = SUBMIT.format(
            count=count, lasting_each=LASTING_EACH, task_type=task_type
        )
        self.service.manage("shell", "-v0", "-c", code)

    def runs(self) -> Counter[str]:
        """How often each task ran."""
        return Counter(self.ran.read_text().split() if self.ran.exists() else ())

    def kill_all_the_while(self, tasks: int, kills: int) -> None:
        """Random runners, evenly over the first nine tenths of the tasks."""
        for number in range(kills):
            enough = tasks * 9 // 10 * number // kills + 1
            wait_until(lambda n=enough: self.runs().total() >= n, f"{enough} runs")
            self.kill_one()
        Path(f"{self.ran}.enough").touch()

    def tasks(self, query: str = "") -> list[dict]:
        found, path = [], f"/api/tasks?limit=100{query}"
        while path:
            page = self.service.request("GET", path).json()
            found += page["tasks"]
            path = page["next"] and page["next"].removeprefix(self.service.url)
        return found

    def wait_for_the_end(self) -> list[dict]:
        """All tasks, once none waits or runs."""

        def is_quiet():
            path = "/api/tasks?status=pending,running&limit=1"
            return not self.service.request("GET", path).json()["tasks"]

        wait_until(is_quiet, "all tasks to end")
        return self.tasks()


@pytest.fixture
def crowd(new_service):
    service = new_service(TASK_RETENTION="0")
    mark = str(random.randrange(10_000_000, 99_999_999))
    crowd = Crowd(service, mark, service.data_dir / "ran")
    with Path(service.env["TASK_TYPES_FILE"]).open("a") as types:
        for name, idempotent in (("runs-once", "false"), ("runs-again", "true")):
            given = {"name": name, "idempotent": idempotent}
            types.write(TYPES.format(ran=crowd.ran, mark=mark, **given))
    service.start("web")
    for number in range(RUNNERS):
        crowd.start_runner(number)
    service.wait_healthy()
    yield crowd
    for process in processes_with(crowd.mark):
        process.kill()


def assert_their_runner_died(tasks: list[dict]) -> None:
    for task in tasks:
        assert RUNNER_DIED.match(task["error"]), task["error"]


def assert_nothing_is_left(crowd: Crowd) -> None:
    wait_until(
        lambda: not processes_with(crowd.mark),
        "the processes of killed runners to end",
        ENDS_WITHIN_SECONDS,
    )


def assert_logs_are_whole(crowd: Crowd, tasks: list[dict]) -> None:
    """Of every task, as a client sees it: numbered without a hole, and the digest that
    was kept with the end state is that of the lines."""
    for task in tasks:
        events = crowd.service.events(task["id"])
        lines = [event["log"] for event in events if event["type"] == "log"]
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        text = "".join(f"{line['message']}\n" for line in lines)
        assert events[-1] == {
            "type": "end",
            "status": task["status"],
            "logCount": task["logCount"],
            "logSha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        assert task["logCount"] == len(lines)


def test_each_task_runs_once_while_runners_are_killed(crowd):
    crowd.submit("runs-once", TASKS)
    crowd.kill_all_the_while(TASKS, KILLS)
    tasks, runs = crowd.wait_for_the_end(), crowd.runs()
    assert len(tasks) == TASKS
    completed = [task for task in tasks if task["status"] == "completed"]
    failed = [task for task in tasks if task["status"] == "failed"]
    assert len(completed) + len(failed) == TASKS
    assert {runs[task["id"]] for task in completed} == {1}
    assert failed, "no runner was killed while it had a task"
    assert {runs[task["id"]] for task in failed} <= {0, 1}
    assert_their_runner_died(failed)
    assert_nothing_is_left(crowd)
    assert_logs_are_whole(crowd, tasks)


def test_an_idempotent_task_goes_back_to_the_queue_once_when_its_runner_is_killed(
    crowd,
):
    crowd.submit("runs-again", FEWER_TASKS)
    crowd.kill_all_the_while(FEWER_TASKS, FEWER_KILLS)
    tasks, runs = crowd.wait_for_the_end(), crowd.runs()
    assert len(tasks) == FEWER_TASKS
    completed = [task for task in tasks if task["status"] == "completed"]
    failed = [task for task in tasks if task["status"] == "failed"]
    assert len(completed) + len(failed) == FEWER_TASKS
    for task in completed:
        assert 1 <= runs[task["id"]] <= task["attempt"] <= 2
    assert {task["attempt"] for task in completed} == {1, 2}, "none went back"
    for task in failed:
        assert runs[task["id"]] <= task["attempt"] == 2
    assert_their_runner_died(failed)
    assert_nothing_is_left(crowd)
    assert_logs_are_whole(crowd, tasks)
