"""Each moment of a schedule once: under two runners of which one is killed as it fires,
and after a night without any."""

import random
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

RUNNERS = ("runner-a", "runner-b")
KILLS = 6
MADE = """
from datetime import timedelta
from django.utils import timezone
from tasks.access.actor import Actor
from tasks.models import Schedule
from tasks.schedules import acts
for name, catch_up in {wanted}:
    schedule = Schedule(
        name=name, type="ticks", cron="0 3 1 1 *", params={{"mark": name}},
        catch_up=catch_up, overlap="queue",
    )
    acts.make(schedule, Actor("ana"))
    print(schedule.pk)
"""
# As if its moment came a little later than now, or days ago.
DUE = """
from datetime import timedelta
from django.utils import timezone
from tasks.models import Schedule
moment = timezone.now() + timedelta(seconds={seconds})
Schedule.objects.filter(pk="{pk}").update(next_run_at=moment, cron="{cron}")
print(moment.isoformat(timespec="milliseconds"))
"""


@pytest.fixture
def service(new_service):
    service = new_service(TASK_RETENTION="0")
    service.start("web")
    for name in RUNNERS:
        service.start(name)
    service.wait_healthy()
    return service


def made(service, *wanted):
    code = MADE.format(wanted=repr(wanted))
    return service.manage("shell", "-v0", "-c", code).stdout.split()


def due(service, pk, seconds, cron="0 3 1 1 *"):
    """Set its next moment; returns that, as the API says it."""
    code = DUE.format(pk=pk, seconds=seconds, cron=cron)
    said = service.manage("shell", "-v0", "-c", code).stdout.strip().splitlines()[-1]
    return said.replace("+00:00", "Z")


def runs_of(service, pk):
    return service.request("GET", f"/api/schedules/{pk}").json()["runs"]


def started(runs):
    return [run for run in runs if run["outcome"] == "started"]


def tasks_of(service, name):
    found = service.request("GET", "/api/tasks?limit=100").json()["tasks"]
    return [task["id"] for task in found if task["createdBy"] == f"schedule:{name}"]


def test_a_runner_killed_as_it_fires_starts_nothing_twice_and_leaves_nothing_out(
    service,
):
    (pk,) = made(service, ("ticks", "none"))
    moments = []
    for _ in range(KILLS):
        moments.append(due(service, pk, 1))
        # Each looks once a second: between the moment and the look after it.
        time.sleep(random.uniform(0.9, 2.1))
        name = random.choice(RUNNERS)
        service.kill(name)
        service.start(name)
        wait_until(
            lambda moment=moments[-1]: (
                moment in [run["dueAt"] for run in runs_of(service, pk)]
            ),
            "the run of that moment",
        )
    runs = runs_of(service, pk)
    assert Counter(run["dueAt"] for run in runs) == Counter(moments)
    assert {run["outcome"] for run in runs} == {"started"}
    ids = [run["taskId"] for run in runs]
    assert sorted(ids) == sorted(tasks_of(service, "ticks"))
    for task_id in ids:
        service.wait_for(task_id)
    ran = Counter((service.data_dir / "ran-ticks").read_text().split())
    assert max(ran.values()) == 1  # one that was killed with its runner may be missing
    assert set(ran) <= set(ids)


def test_after_a_night_without_runners_it_is_left_out_or_caught_up_once(service):
    left_out, caught_up = made(service, ("left-out", "none"), ("caught-up", "latest"))
    for name in RUNNERS:
        service.kill(name)
    # At night, whatever the time is here: no moment of today's is only just over.
    hour = (datetime.now(UTC).hour + 12) % 24
    for pk in (left_out, caught_up):
        due(service, pk, -2.5 * 86400, cron=f"0 {hour} * * *")
    for name in RUNNERS:
        service.start(name)
    for pk in (left_out, caught_up):
        wait_until(lambda pk=pk: runs_of(service, pk), "its runs")

    assert {run["outcome"] for run in runs_of(service, left_out)} == {"missed"}
    assert tasks_of(service, "left-out") == []
    newest, *missed = runs_of(service, caught_up)
    assert (newest["outcome"], newest["cause"]) == ("started", "caught-up")
    assert {run["outcome"] for run in missed} == {"missed"}
    assert tasks_of(service, "caught-up") == [newest["taskId"]]
    service.wait_for(newest["taskId"], "completed")

    for name in RUNNERS:  # nothing of it is due again
        service.stop_one(name)
        service.start(name)
    service.wait_healthy()
    task_id = service.create("ticks")
    service.wait_for(task_id, "completed")
    assert tasks_of(service, "caught-up") == [newest["taskId"]]
    assert tasks_of(service, "left-out") == []
