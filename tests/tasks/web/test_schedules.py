"""The page of schedules, and what is asked on it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Schedule, ScheduleRun, Task
from tasks.presenters.links import schedule_link
from tasks.queue.freezes import freeze
from tasks.reasons import Reason
from tasks.schedules import acts
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db
ALICE = Actor("alice")
HOUR = timedelta(hours=1)
TYPES = """
[nightly]
title = "Nightly check"
[nightly.params.version]
pattern = "v[0-9]+"
default = "v1"
[nightly.params.depth]
title = "Depth"
default = "2"
[[nightly.steps]]
command = ["true"]

[publish]
confirm = true
[publish.params.version]
pattern = "v[0-9]+"
[[publish.steps]]
command = ["true"]
"""


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def admin(person):
    return person("admin")


@pytest.fixture
def made():
    """Makes schedules, as alice."""

    def make(name="checks", **fields):
        given = {
            "type": "nightly",
            "cron": "0 3 * * *",
            "timezone": "Europe/Berlin",
            "params": {"version": "v885", "depth": "5"},
        }
        schedule = Schedule(name=name, **{**given, **fields})
        acts.make(schedule, ALICE)
        return schedule

    return make


def ran(schedule, hours_ago=1, **fields):
    due_at = timezone.now() - hours_ago * HOUR
    return ScheduleRun.objects.create(schedule=schedule, due_at=due_at, **fields)


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def card(client, schedule, **cookies):
    client.cookies.load(cookies)
    html = client.get("/schedules").text
    part = html.partition(f'id="schedule-{schedule.pk}"')[2].partition("</article>")[0]
    assert part, "the schedule is not on the page"
    return text_of(part)


def path(schedule, act):
    return f"/schedules/{schedule.pk}/{act}"


# --- What is shown --------------------------------------------------------------------


def test_a_schedule_says_what_starts_when_and_by_whom_it_was_made(admin, made):
    text = card(admin, made())
    for words in (
        "Nightly check v885",
        "Depth: 5",
        "every day at 03:00 0 3 * * * Europe/Berlin",
        "made by alice",
        "It has not been due yet.",
    ):
        assert words in text


def test_its_next_five_runs_are_in_the_readers_zone_with_its_own_beside(admin, made):
    schedule = made(timezone="Asia/Shanghai")
    shown = card(admin, schedule, zone="America/New_York")
    hours = re.findall(r"(\d\d:\d\d) (\w+ \d+ \w+ \d\d:\d\d) Asia/Shanghai", shown)
    assert len(hours) == 5
    assert {here for here, _there in hours} <= {"14:00", "15:00"}
    assert all(there.endswith("03:00") for _here, there in hours)


def test_where_both_clocks_are_the_same_it_is_said_once(admin, made):
    shown = card(admin, made(timezone="Asia/Shanghai"), zone="Asia/Singapore")
    assert shown.count("03:00") == 1 + 5  # in words, and each run


def test_a_run_has_its_state_and_leads_to_its_task(admin, made):
    schedule, task = made(), TaskFactory(status="failed")
    ran(schedule, outcome="started", task=task)
    assert "failed" in card(admin, schedule)
    assert f"/tasks/{task.pk}" in admin.get("/schedules").text


def test_a_run_keeps_its_state_when_its_task_is_deleted(admin, made):
    schedule = made()
    ran(schedule, outcome="started", status="completed")
    assert "✓ completed" in card(admin, schedule)


@pytest.mark.parametrize(
    ("outcome", "reason", "says"),
    [
        ("missed", Reason("schedule-missed"), "No runner was there"),
        ("skipped", Reason("schedule-overlap", task="0f"), "was not over"),
        ("refused", Reason("unknown-task-type", name="gone"), "“gone” is not known"),
    ],
)
def test_what_did_not_start_says_why(admin, made, outcome, reason, says):
    schedule = made()
    ran(schedule, outcome=outcome, reason=reason.as_json())
    assert says in card(admin, schedule)


def test_a_frozen_run_says_the_end_in_the_readers_zone(admin, made):
    schedule = made()
    until = "2026-11-27T16:00:00.000Z"
    reason = Reason("schedule-frozen", until=until, reason="Weekend")
    ran(schedule, outcome="skipped", reason=reason.as_json())
    shown = card(admin, schedule, zone="Asia/Shanghai")
    assert re.search(r"frozen until \w+ 28 Nov( 2026)? 00:00: Weekend", shown)


def test_only_the_newest_five_runs_are_shown_the_newest_first(admin, made):
    schedule = made()
    for hours_ago in range(1, 8):
        ran(schedule, hours_ago, outcome="missed")
    shown = admin.get("/schedules").context["schedules"][0].runs
    due = [one.run.due_at for one in shown]
    assert len(due) == 5
    assert due == sorted(due, reverse=True)
    assert due[0] > timezone.now() - 2 * HOUR


def test_one_that_fails_three_times_in_a_row_says_so(admin, made):
    schedule = made()
    Schedule.objects.update(failures=2)
    assert "in a row" not in card(admin, schedule)
    Schedule.objects.update(failures=3)
    assert "Failed 3 times in a row" in card(admin, schedule)


def test_one_that_cannot_start_says_why(admin, made):
    shown = card(admin, made(type="gone"))
    assert "It can't start: The task type “gone” is not known here." in shown
    assert "Run now" not in shown


def test_one_of_the_file_is_not_changed_here(admin, made):
    schedule = made(origin="file")
    shown = card(admin, schedule)
    assert "from task_types.toml" in shown
    assert "Change" not in shown
    assert "Delete" not in shown


def test_one_that_the_file_has_no_more_stands_apart(admin, made):
    schedule = made(origin="file")
    Schedule.objects.update(retired_at=timezone.now())
    page = admin.get("/schedules")
    assert page.context["schedules"] == []
    assert "1 schedule that the file has no more" in text_of(page.text)
    assert "Run now" not in card(admin, schedule)


def test_where_there_is_none_the_page_teaches_how_to_make_one(admin, person):
    assert "Nothing starts by itself yet" in admin.get("/schedules").text
    assert "/admin/tasks/schedule/add/" in admin.get("/schedules").text
    assert "/schedule/add/" not in person("operator").get("/schedules").text


def test_many_are_on_pages_by_name(admin, made, monkeypatch):
    monkeypatch.setattr("tasks.web.schedules.page.PAGE_SCHEDULES", 2)
    for name in ("b", "a", "c"):
        made(name)
    first = admin.get("/schedules")
    names = [one.schedule.name for one in first.context["schedules"]]
    after = first.context["following"]
    second = admin.get(f"/schedules?after={after}")
    names += [one.schedule.name for one in second.context["schedules"]]
    assert names == ["a", "b", "c"]
    assert second.context["following"] is None
    assert admin.get("/schedules?after=nonsense").status_code == 200


def test_a_page_of_them_takes_no_query_for_each(
    admin, made, django_assert_max_num_queries
):
    for number in range(10):
        ran(made(f"s{number}"), outcome="missed")
    with django_assert_max_num_queries(11):
        admin.get("/schedules")


def test_the_parts_that_change_come_alone(admin, made):
    parts = admin.get(f"/live/schedules?after={made().pk}").text
    assert 'data-swap="schedules"' in parts
    assert "<html" not in parts


# --- Pausing and resuming -------------------------------------------------------------


def test_a_schedule_is_paused_and_resumed_after_a_question(person, made):
    operator, schedule = person("operator"), made()
    assert "Pause checks?" in operator.get(path(schedule, "pause")).text
    schedule.refresh_from_db()
    assert schedule.state == "active"
    answer = operator.post(path(schedule, "pause"))
    assert answer["Location"] == schedule_link(schedule.pk)
    assert "paused by operator-1" in card(operator, schedule)
    assert "None while it is paused." in card(operator, schedule)
    operator.post(path(schedule, "resume"))
    schedule.refresh_from_db()
    assert schedule.state == "active"


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_who_only_looks_is_offered_nothing_and_refused(person, made, act):
    viewer, schedule = person("viewer"), made()
    assert "data-ask" not in viewer.get("/schedules").text
    viewer.post(path(schedule, act))
    schedule.refresh_from_db()
    assert schedule.state == "active"
    assert not Task.objects.exists()
    if act != "run-now":  # which says so in the question
        assert viewer.get(path(schedule, act)).status_code == 403


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_one_that_the_file_has_no_more_is_left_alone(admin, made, act):
    schedule = made(origin="file", retired_at=timezone.now())
    answer = admin.post(path(schedule, act))
    assert answer.status_code == 400
    assert "its file has it no more" in answer.text


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_there_is_no_question_of_a_schedule_that_is_gone(admin, act):
    gone = "00000000-0000-4000-8000-000000000000"
    assert admin.get(f"/schedules/{gone}/{act}").status_code == 404


# --- Run now --------------------------------------------------------------------------


def test_running_now_asks_and_then_leads_to_the_task(person, made, store):
    operator, schedule = person("operator"), made()
    page = operator.get(path(schedule, "run-now"))
    assert "Run checks now?" in page.text
    assert not Task.objects.exists()
    answer = operator.post(path(schedule, "run-now"))
    task = Task.objects.get()
    assert answer["Location"] == f"/tasks/{task.pk}"
    assert task.params == {"version": "v885", "depth": "5"}
    assert ScheduleRun.objects.get().cause == "by-hand"


def test_a_form_that_is_sent_twice_starts_it_once(admin, made, store):
    schedule = made()
    once = admin.get(path(schedule, "run-now")).context["question"].once
    answers = [admin.post(path(schedule, "run-now"), {"once": once}) for _ in "ab"]
    assert Task.objects.count() == 1
    assert len({answer["Location"] for answer in answers}) == 1


def test_a_type_that_asks_wants_its_version_typed(admin, made, store):
    schedule = made(type="publish", params={"version": "v885"})
    answer = admin.post(path(schedule, "run-now"), {"typed": "v88"})
    assert answer.status_code == 400
    assert "Type v885 to confirm." in answer.text
    assert not Task.objects.exists()
    admin.post(path(schedule, "run-now"), {"typed": "v885"})
    assert Task.objects.get().type == "publish"


@pytest.fixture
def frozen():
    now = timezone.now()
    freeze(["*"], now - HOUR, now + HOUR, "Nobody releases on Fridays", ALICE)


def test_in_a_freeze_an_admin_gives_a_reason_and_the_trail_keeps_it(
    admin, made, store, frozen
):
    schedule = made()
    assert "Start it all the same, because" in admin.get(path(schedule, "run-now")).text
    answer = admin.post(path(schedule, "run-now"))
    assert answer.status_code == 400
    assert "Give the reason." in answer.text
    assert not Task.objects.exists()
    admin.post(path(schedule, "run-now"), {"override-freeze": "Players are waiting"})
    assert Task.objects.exists()
    event = AuditEvent.objects.get(action="schedule.run-now")
    assert event.details["overrideFreeze"]["reason"] == "Players are waiting"
    assert event.details["overrideFreeze"]["frozenBecause"] == (
        "Nobody releases on Fridays"
    )


def test_in_a_freeze_others_are_told_the_reason(person, made, store, frozen):
    operator, schedule = person("operator"), made()
    answer = operator.post(
        path(schedule, "run-now"), {"override-freeze": "Players are waiting"}
    )
    assert "Nobody releases on Fridays" in answer.text
    assert "override-freeze" not in answer.text
    assert not Task.objects.exists()


# --- Elsewhere ------------------------------------------------------------------------


def test_its_task_says_by_which_schedule_it_was_started(admin, made, program):
    schedule = made()
    task = acts.run_now(schedule, ALICE)
    page = admin.get(f"/tasks/{task.pk}").text
    assert f'<a href="{schedule_link(schedule.pk)}">schedule checks</a>' in page
    assert "schedule checks" in admin.get("/history").text
    shown = program.get(f"/api/tasks/{task.pk}").json()
    assert shown["scheduleId"] == str(schedule.pk)
    (listed,) = program.get("/api/tasks").json()["tasks"]
    assert listed["scheduleId"] == str(schedule.pk)


def test_a_list_of_scheduled_tasks_takes_one_query_more(
    program, made, django_assert_num_queries
):
    schedule = made()
    for _ in range(5):
        acts.run_now(schedule, ALICE)
    Task.objects.update(status="completed", completed_at=timezone.now())
    program.get("/api/tasks")  # writes when the key was last used
    with django_assert_num_queries(3 + 1):
        program.get("/api/tasks")


def test_the_start_form_says_when_a_schedule_starts_the_type_next(staff, made, store):
    assert "Next scheduled run:" not in staff.get("/?type=nightly").text
    later, sooner = made("later"), made("sooner")
    moment = datetime(2040, 1, 1, 3, tzinfo=UTC)
    Schedule.objects.filter(pk=later.pk).update(next_run_at=moment + HOUR)
    Schedule.objects.filter(pk=sooner.pk).update(next_run_at=moment)
    page = staff.get("/?type=nightly").text
    assert "Next scheduled run:" in page
    assert "2040-01-01 03:00 UTC" in page
    acts.pause(sooner, ALICE)
    assert "2040-01-01 04:00 UTC" in staff.get("/?type=nightly").text


def test_the_palette_finds_schedules_and_what_is_asked_of_the_queue(
    admin, person, made
):
    schedule = made()
    pages = {
        page["title"]: page["url"] for page in admin.get("/palette").json()["pages"]
    }
    assert pages["Schedule checks"] == schedule_link(schedule.pk)
    assert (pages["Pause the queue…"], pages["Freeze…"]) == (
        "/queue/pause",
        "/queue/freeze",
    )
    others = person("operator").get("/palette").json()["pages"]
    assert not {"/queue/pause", "/queue/freeze"} & {page["url"] for page in others}
