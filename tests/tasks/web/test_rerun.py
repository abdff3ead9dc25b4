"""A task is run again after a question, by whichever page; a program is not asked."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.models import AuditEvent, Task
from tasks.presenters.consequence import consequence_of
from tasks.queue.freezes import freeze
from tests.factories import TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]

JSON = "application/json"
ALICE = Actor("alice")


def serve(store, version, *platforms):
    for platform in platforms:
        path = store / platform / "current.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        pointer = {"format": "release-pointer/1", "version": version}
        path.write_text(json.dumps({**pointer, "manifestSha256": "a" * 64}))


def done(kind="full-sync", version="v885", **params):
    """A task that has run."""
    return TaskFactory(
        type=kind,
        version=version,
        params={"version": version, **params},
        status=Task.Status.COMPLETED,
    )


# --- What will happen ---------------------------------------------------------------


def test_the_question_names_what_will_happen_and_what_is_live(staff, store):
    serve(store, "v886", "ios", "android", "facebook")
    task = done(guard="30")
    page = staff.get(f"/tasks/{task.pk}/rerun").text
    assert "Run Full sync v885 again?" in page
    assert "It publishes to iOS, Android, Facebook; live now: v886." in page
    assert "<dt>guard</dt>" in page
    chinese = staff.get(
        f"/tasks/{task.pk}/rerun", headers={"Accept-Language": "zh-hans"}
    ).text
    assert "它会发布到 iOS、Android、Facebook；当前线上：v886。" in chinese


def test_the_question_names_what_is_live_now_and_not_a_moment_ago(staff, store):
    task = done("rollback", version="v884", platforms="all")
    for version in ("v885", "v884"):
        serve(store, version, "ios", "android", "facebook")
        page = staff.get(f"/tasks/{task.pk}/rerun").text
        assert f"live now: {version}." in page


LIVE = [
    {"platform": "ios", "version": "v886"},
    {"platform": "android", "version": None},
    {"platform": "facebook", "version": None, "error": "away"},
]


@pytest.mark.parametrize(
    ("kind", "params", "said"),
    [
        (
            "sync-facebook",
            {"version": "v885"},
            "It publishes to Facebook; live now: Facebook: not known.",
        ),
        (
            "sync-native",
            {"version": "v885"},
            "It publishes to iOS, Android; live now: iOS v886, Android: nothing.",
        ),
        (
            "rollback",
            {"version": "v885", "platforms": "ios"},
            "It makes v885 live again on iOS; live now: v886.",
        ),
        (
            "sync-native",
            {"version": "v887", "channel": "beta"},
            "It publishes to iOS, Android, on the channel beta; live now: iOS v886, "
            "Android: nothing.",
        ),
        (
            "full-sync",
            {"version": "v887"},
            "It publishes to iOS, Android, Facebook; live now: iOS v886, "
            "Android: nothing, Facebook: not known.",
        ),
        (
            "full-sync",
            {"version": "v887", "percent": "5"},
            "It changes what is live on iOS, Android, Facebook; live now: iOS v886, "
            "Android: nothing, Facebook: not known.",
        ),
        (
            "promote",
            {"version": "v887", "platforms": "ios"},
            "It changes what is live on iOS; live now: v886.",
        ),
        (
            "prune",
            {"platforms": "ios"},
            "It removes old versions from iOS; live now: v886.",
        ),
        (
            "check-integrity",
            {"version": "v885"},
            "It publishes nothing; live now: iOS v886, Android: nothing, "
            "Facebook: not known.",
        ),
    ],
)
def test_a_command_of_the_engine_tells_what_it_does(kind, params, said):
    values = catalog()[kind].validated(params)
    assert consequence_of(catalog()[kind], values, LIVE) == said


DEPLOY = """
[deploy.params.version]
[[deploy.steps]]
name = "Upload"
command = ["./cdn", "{version}"]
[[deploy.steps]]
name = "Switch"
command = ["true"]
"""


def test_another_program_is_named_by_its_steps(use_task_types):
    use_task_types(DEPLOY)
    said = consequence_of(catalog()["deploy"], {"version": "v1"}, LIVE[:1])
    assert said == "It runs: Upload, Switch; live now: v886."


def test_steps_of_other_programs_stand_beside_those_that_publish(use_task_types):
    publish = '[[deploy.steps]]\nname = "P"\ncommand = ["{python}", "-m", "resources", '
    use_task_types(f'{DEPLOY}{publish}"publish", "{{version}}"]\n')
    said = consequence_of(catalog()["deploy"], {"version": "v1"}, LIVE[:1])
    assert said == "It publishes to iOS; live now: v886."


# --- Who is asked -------------------------------------------------------------------


def test_nothing_runs_again_before_the_question_was_answered(staff):
    task = done()
    url = f"/tasks/{task.pk}/rerun"
    for answer in (staff.get(f"{url}?sure=yes"), staff.post(url)):
        assert answer.status_code == 200
        assert "Run Full sync v885 again?" in answer.text
    assert Task.objects.count() == 1
    answer = staff.post(url, {"sure": "yes"})
    new = Task.objects.get(rerun_of=task)
    assert answer["Location"] == f"/tasks/{new.pk}"
    assert AuditEvent.objects.get().action == "rerun"
    page = staff.get(answer["Location"]).text
    assert (
        f'Rerun of <a class="code" href="/tasks/{task.pk}">{str(task.pk)[:8]}</a>'
        in page
    )
    assert "just now" in page


@pytest.mark.parametrize("typed", ["", "v885", "rollback"])
def test_a_type_that_asks_wants_its_version_typed_again(staff, typed):
    task = done("rollback", "v884")
    url = f"/tasks/{task.pk}/rerun"
    field = f"typed-{task.pk}"
    assert f'name="{field}"' in staff.get(url).text
    answer = staff.post(url, {"sure": "yes", field: typed})
    assert answer.status_code == 400
    assert "Type v884 to confirm." in answer.text
    assert Task.objects.count() == 1
    staff.post(url, {"sure": "yes", field: " v884 "})
    assert Task.objects.get(rerun_of=task).version == "v884"


def test_a_form_that_is_sent_twice_starts_one_task(staff):
    task = done()
    page = staff.get(f"/tasks/{task.pk}/rerun")
    form = {"sure": "yes", "once": page.context["once"]}
    places = {staff.post(f"/tasks/{task.pk}/rerun", form)["Location"] for _ in range(2)}
    assert len(places) == 1
    assert Task.objects.filter(rerun_of=task).count() == 1


def test_a_program_with_a_key_is_not_asked(program):
    task = done("rollback", "v884")
    url = f"/api/tasks/{task.pk}/rerun"
    assert program.post(url).status_code == 202
    body = {"params": {"version": "v883"}}
    assert program.post(url, body, content_type=JSON).status_code == 202
    wrong = program.post(url, {"confirm": "v1"}, content_type=JSON)
    assert problem_of(wrong, 400)["errors"] == {"confirm": ["Type v884 to confirm."]}


@pytest.mark.parametrize("confirm", [{}, {"confirm": "v885"}, {"confirm": None}])
def test_a_session_at_the_api_confirms_what_a_page_would_ask(staff, confirm):
    task = done("rollback", "v884")
    url = f"/api/tasks/{task.pk}/rerun"
    refused = staff.post(url, confirm, content_type=JSON)
    assert set(problem_of(refused, 400)["errors"]) == {"confirm"}
    assert Task.objects.count() == 1
    answer = staff.post(url, {"confirm": "v884"}, content_type=JSON)
    assert answer.status_code == 202
    plain = staff.post(f"/api/tasks/{done().pk}/rerun")
    assert plain.status_code == 202


def test_who_may_not_run_it_again_is_not_asked(person):
    task = done("rollback", "v884")
    page = person("operator").get(f"/tasks/{task.pk}/rerun").text
    assert "Roll back v884 can't be run again: This needs the group" in page
    assert "data-no" in page
    assert "Run again</button>" not in page
    assert "Run again with changes" not in page


def test_the_form_of_another_type_is_no_rerun(staff):
    first = done("rollback", "v884")
    form = {"type": "check-integrity", "version": "v885", "rerun-of": str(first.pk)}
    staff.post("/", form)
    assert Task.objects.get(type="check-integrity").rerun_of is None


def test_with_changes_it_is_a_rerun_and_says_so(staff):
    first = done(guard="20")
    form = {"type": "full-sync", "version": "v885", "guard": "30"}
    place = staff.post("/", {**form, "rerun-of": str(first.pk)})["Location"]
    assert f"{str(first.pk)[:8]}</a> with changes, started" in staff.get(place).text
    event = AuditEvent.objects.get()
    assert event.action == "rerun"
    assert event.details["rerunOf"] == str(first.pk)


# --- In a freeze --------------------------------------------------------------------


@pytest.fixture
def frozen():
    now, hour = timezone.now(), timedelta(hours=1)
    freeze(["full-*"], now - hour, now + hour, "Nobody releases on Fridays", ALICE)


def test_in_a_freeze_an_admin_gives_the_reason_in_the_question(person, frozen):
    admin, task = person("admin"), done()
    path, field = f"/tasks/{task.pk}/rerun", f"override-freeze-{task.pk}"
    assert "Start it all the same, because" in admin.get(path).text
    sure = {"sure": "yes", "from": "1"}
    answer = admin.post(path, sure)
    assert (answer.status_code, "Give the reason." in answer.text) == (400, True)
    assert Task.objects.count() == 1
    admin.post(path, {**sure, field: "  The store is broken "})
    assert Task.objects.get(rerun_of=task).status == "pending"
    details = AuditEvent.objects.get(action="rerun").details
    assert details["overrideFreeze"]["reason"] == "The store is broken"


def test_in_a_freeze_others_are_refused_with_its_reason(person, frozen):
    operator, task = person("operator"), done()
    path = f"/tasks/{task.pk}/rerun"
    page = operator.get(path).text
    assert "Nobody releases on Fridays" in page
    assert "override-freeze" not in page
    operator.post(path, {"sure": "yes", f"override-freeze-{task.pk}": "Please"})
    assert Task.objects.count() == 1


def test_of_several_tasks_each_frozen_one_takes_a_reason(person, frozen):
    admin, one, other = person("admin"), done(), done("check-integrity")
    form = {
        "action": "rerun_selected",
        "_selected_action": [one.pk, other.pk],
        "sure": "yes",
    }
    answer = admin.post("/admin/tasks/task/", form)
    assert "Give the reason." in answer.text
    assert Task.objects.count() == 2  # all of it, or nothing
    admin.post("/admin/tasks/task/", {**form, f"override-freeze-{one.pk}": "Broken"})
    assert Task.objects.filter(rerun_of__in=[one, other]).count() == 2
