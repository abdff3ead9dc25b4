"""Schedules in the admin: people make, change and delete their own."""

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Schedule, ScheduleRun, Task
from tasks.presenters.links import schedule_link
from tasks.schedules import acts

pytestmark = pytest.mark.django_db
LIST = "/admin/tasks/schedule/"
TYPES = """
[nightly]
[nightly.params.version]
pattern = "v[0-9]+"
[nightly.params.token]
secret = true
required = false
[[nightly.steps]]
command = ["true"]

[tidy]
hidden = true
[[tidy.steps]]
command = ["true"]
"""
FORM = {
    "name": "nightly-check",
    "type": "nightly",
    "cron": "0  3 * * *",
    "timezone": "Europe/Berlin",
    "params": "version = v885\n",
    "overlap": "queue",
    "catch_up": "latest",
}


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def made():
    schedule = Schedule(
        name="checks", type="nightly", cron="0 3 * * *", params={"version": "v885"}
    )
    acts.make(schedule, Actor("alice"))
    return schedule


def change(schedule):
    return f"{LIST}{schedule.pk}/change/"


def test_a_person_makes_a_schedule_and_it_is_due_some_day(root):
    answer = root.post(f"{LIST}add/", FORM)
    schedule = Schedule.objects.get()
    assert answer["Location"] == schedule_link(schedule.pk)
    assert schedule.params == {"version": "v885"}
    assert (schedule.cron, schedule.origin) == ("0 3 * * *", "person")
    assert (schedule.overlap, schedule.catch_up) == ("queue", "latest")
    assert schedule.created_by == "root"
    assert schedule.next_run_at > timezone.now()
    event = AuditEvent.objects.get()
    assert (event.actor, event.action) == ("root", "schedule.create")
    assert event.details["after"]["cron"] == "0 3 * * *"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "Nightly Check", "A name is small letters, digits and dashes."),
        ("name", "checks", "There is a schedule of that name."),
        ("type", "gone", "Select a valid choice."),
        ("type", "tidy", "Select a valid choice."),
        ("cron", "0 25 * * *", "The hour “25” is none: it takes 0–23"),
        ("cron", "0 3 30 2 *", "No day is like this"),
        ("timezone", "Europe/Berln", "Did you mean Europe/Berlin"),
        ("params", "version", "“version” is no parameter; write it as name=value."),
        ("params", "version=885", "version: Must match the pattern v[0-9]+."),
        ("params", "version=v885\ndepth=3", "depth: "),
        ("params", "", "version: "),
        ("params", "version=v885\ntoken=x", "“token” is secret"),
    ],
)
def test_a_schedule_that_is_wrong_is_not_made_and_says_where(
    root, made, field, value, says
):
    answer = root.post(f"{LIST}add/", {**FORM, field: value})
    errors = answer.context["adminform"].form.errors
    assert answer.status_code == 200
    assert list(errors) == [field]
    assert says in " ".join(errors[field])
    assert Schedule.objects.count() == 1


def test_a_changed_hour_changes_the_next_run_and_the_trail_has_both(root, made):
    page = root.get(change(made))
    assert "version=v885" in page.text
    form = {**FORM, "name": "checks", "timezone": "UTC", "cron": "30 4 * * *"}
    root.post(change(made), form)
    made.refresh_from_db()
    assert (made.next_run_at.hour, made.next_run_at.minute) == (4, 30)
    event = AuditEvent.objects.first()
    assert event.action == "schedule.change"
    assert event.details["before"]["cron"] == "0 3 * * *"
    assert event.details["after"]["cron"] == "30 4 * * *"


def test_the_form_of_one_without_parameters_is_empty_there(root, made):
    Schedule.objects.update(params={})
    form = root.get(change(made)).context["adminform"].form
    assert form["params"].value() == ""


def test_a_deleted_one_takes_its_runs_along_and_leaves_their_tasks(root, made):
    acts.run_now(made, Actor("alice"))
    page = root.get(f"{LIST}{made.pk}/delete/").text
    assert "Scheduled runs" in page
    answer = root.post(f"{LIST}{made.pk}/delete/", {"post": "yes"})
    assert answer["Location"] == "/schedules"
    assert not Schedule.objects.exists()
    assert not ScheduleRun.objects.exists()
    assert Task.objects.get().created_by == "schedule:checks"
    event = AuditEvent.objects.first()
    assert (event.actor, event.action) == ("root", "schedule.delete")
    assert event.details["before"]["name"] == "checks"


def test_one_of_the_file_is_only_looked_at(root, made):
    Schedule.objects.update(origin="file")
    assert 'name="cron"' not in root.get(change(made)).text
    assert root.post(change(made), FORM).status_code == 403
    assert root.post(f"{LIST}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Schedule.objects.get().name == "checks"


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_others_look_at_them_and_change_nothing(person, made, group):
    client = person(group)
    assert "checks" in client.get(LIST).text
    assert client.get(change(made)).status_code == 200
    for path in (f"{LIST}add/", change(made)):
        assert client.post(path, FORM).status_code == 403
    assert client.post(f"{LIST}{made.pk}/delete/", {"post": "1"}).status_code == 403
    assert Schedule.objects.get().cron == "0 3 * * *"
