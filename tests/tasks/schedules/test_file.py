"""The schedules of the task types file come into the database, and stay in step."""

import pytest

from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.models import AuditEvent, Schedule
from tasks.schedules import acts
from tasks.schedules.due import start_due
from tasks.schedules.file import take_over
from tests.tasks.schedules.conftest import THREE, TYPES

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
RUNNER = Actor("runner:one")


@pytest.fixture
def read(use_task_types):
    """Reads a file with some schedules of the type."""

    def read_file(*schedules):
        use_task_types(
            TYPES + "\n".join(f"[[nightly.schedules]]\n{s}" for s in schedules)
        )
        take_over(catalog(), RUNNER, THREE)
        return {row.name: row for row in Schedule.objects.all()}

    return read_file


AT_THREE = 'cron = "0 3 * * *"'


def test_a_file_s_schedule_is_as_it_says(read):
    text = (
        'cron = "0 3 * * *"\ntimezone = "Europe/Berlin"\nparams = {version = "v7"}\n'
        'overlap = "queue"\ncatch_up = "latest"'
    )
    row = read(text)["nightly"]
    assert (row.type, row.timezone, row.params) == (
        "nightly",
        "Europe/Berlin",
        {"version": "v7"},
    )
    assert (row.overlap, row.catch_up, row.origin) == ("queue", "latest", "file")
    assert row.next_run_at > THREE or row.next_run_at.minute == 0


def test_a_second_reading_changes_nothing(read):
    read(AT_THREE)
    before = list(Schedule.objects.values())
    read(AT_THREE)
    assert list(Schedule.objects.values()) == before
    assert AuditEvent.objects.count() == 1


def test_a_second_schedule_of_a_type_has_a_number_unless_it_is_named(read):
    found = read(AT_THREE, 'cron = "0 4 * * *"', 'name = "noon"\ncron = "0 12 * * *"')
    assert sorted(found) == ["nightly", "nightly-2", "noon"]


def test_a_changed_cron_computes_the_next_run_anew_and_is_written_down(read):
    first = read(AT_THREE)["nightly"]
    second = read('cron = "30 5 * * *"')["nightly"]
    assert second.pk == first.pk
    assert f"{second.next_run_at:%H:%M}" == "05:30"
    event = AuditEvent.objects.first()
    assert (event.action, event.actor) == ("schedule.change", "runner:one")
    assert event.details["before"] == {"cron": "0 3 * * *"}
    assert event.details["after"] == {"cron": "30 5 * * *"}


def test_changed_parameters_alone_leave_the_next_run(read):
    read(AT_THREE)
    Schedule.objects.update(next_run_at=THREE)
    row = read(AT_THREE + '\nparams = {version = "v8"}')["nightly"]
    assert (row.next_run_at, row.params) == (THREE, {"version": "v8"})


def test_a_schedule_that_is_gone_is_retired_with_its_history_and_can_come_back(read):
    read(AT_THREE)
    Schedule.objects.update(next_run_at=THREE)
    start_due(THREE)
    row = read()["nightly"]
    assert row.state == "retired"
    assert row.runs.count() == 1
    assert AuditEvent.objects.first().action == "schedule.retire"
    row = read(AT_THREE)["nightly"]
    assert row.state == "active"
    assert row.next_run_at > THREE
    assert row.runs.count() == 1


def test_a_pause_outlives_a_reading(read):
    row = read(AT_THREE)["nightly"]
    acts.pause(row, Actor("alice"))
    assert read('cron = "30 5 * * *"')["nightly"].state == "paused"


def test_schedules_of_people_are_left_alone(read, schedule):
    own = schedule("own")
    read(AT_THREE)
    own.refresh_from_db()
    assert own.state == "active"
