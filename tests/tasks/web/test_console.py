"""The console without script: starting, what runs and waits, what ran, what is live."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks import lifecycle
from tasks.access.actor import Actor
from tasks.estimates import seconds_left
from tasks.models import Task
from tasks.presenters.links import change_link
from tasks.reasons import Reason
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("store"),
    pytest.mark.postgres,
]

TYPES = """
[publish]
title = "Publish"
confirm = true
[publish.params.version]
title = "Version"
description = "What players get"
pattern = "v[0-9]+"
[publish.params.token]
secret = true
required = false
[[publish.steps]]
name = "Upload"
command = ["true"]

[sweep]
confirm = true
[[sweep.steps]]
command = ["true"]

[tidy]
hidden = true
[[tidy.steps]]
command = ["true"]
"""


@pytest.fixture
def own_types(use_task_types):
    use_task_types(TYPES)


ROWS = {"recent": r"<tr.*?</tr>", "now": r"<article.*?</article>"}


def texts_of(html, element_id):
    """The words of each row, lane or cell within a part of the page."""
    part = html.partition(f'id="{element_id}"')[2].partition("</section>")[0]
    rows = re.findall(ROWS.get(element_id, ROWS["now"]), part, re.S)
    words = [
        re.sub(r"<(svg|figure).*?</\1>|<[^>]+>", " ", row, flags=re.S) for row in rows
    ]
    return [" ".join(text.split()) for text in words][element_id == "recent" :]


# --- Starting -----------------------------------------------------------------------


def test_a_parameter_is_explained_below_its_field(staff, own_types):
    html = staff.get("/?type=publish").text
    assert "What players get" in html
    assert 'aria-describedby="publish-version-help publish-version-about"' in html


@pytest.mark.parametrize("typed", ["", "v886", "publish"])
def test_a_type_that_asks_starts_only_when_the_version_is_typed_again(
    staff, own_types, typed
):
    form = {"type": "publish", "version": "v885", "typed-again": typed}
    answer = staff.post("/", form)
    assert answer.status_code == 400
    assert "Type v885 to confirm." in answer.text
    assert not Task.objects.exists()
    staff.post("/", {**form, "typed-again": "v885"})
    assert Task.objects.get().params == {"version": "v885"}


def test_a_type_without_a_version_asks_for_its_name(staff, own_types):
    assert "Type sweep to confirm" in staff.get("/?type=sweep").text
    refused = staff.post("/", {"type": "sweep", "typed-again": "swep"})
    assert "Type sweep to confirm." in refused.text
    staff.post("/", {"type": "sweep", "typed-again": "sweep"})
    assert Task.objects.get().type == "sweep"


def test_a_wrong_value_and_a_missing_confirmation_are_said_together(staff, own_types):
    answer = staff.post("/", {"type": "publish", "version": "885"})
    assert "Must match the pattern v[0-9]+." in answer.text
    assert "Type 885 to confirm." in answer.text


def test_a_program_need_not_type_anything_again(program, own_types):
    answer = program.post(
        "/api/tasks/publish", {"version": "v885"}, content_type="application/json"
    )
    assert answer.status_code == 202


def test_a_task_is_run_again_with_changes_and_is_linked_to_the_first(staff, own_types):
    params = {"version": "v884", "token": "hunter2"}
    first = TaskFactory(type="publish", params=params, status=Task.Status.FAILED)
    link = change_link(first)
    assert "hunter2" not in link
    page = staff.get(link)
    assert 'value="v884"' in page.text
    form = {
        "type": "publish",
        "version": "v885",
        "typed-again": "v885",
        "rerun-of": str(first.pk),
    }
    assert f'name="rerun-of" value="{first.pk}"' in page.text
    staff.post("/", form)
    assert Task.objects.get(rerun_of=first).version == "v885"


def test_a_type_without_a_form_has_no_link_to_one(own_types):
    assert change_link(TaskFactory(type="tidy")) == ""
    assert change_link(TaskFactory(type="gone")) == ""


@pytest.mark.parametrize(
    "rerun_of", ["nonsense", "00000000-0000-4000-8000-000000000000"]
)
def test_a_task_that_is_gone_hinders_no_rerun(staff, own_types, rerun_of):
    staff.post("/", {"type": "sweep", "typed-again": "sweep", "rerun-of": rerun_of})
    assert Task.objects.get().rerun_of is None


def test_whoever_has_to_sign_in_first_finds_the_form_as_it_was(stranger, own_types):
    form = {"type": "publish", "version": "v885", "token": "hunter2"}
    login = stranger.post("/", form)["Location"]
    assert login == "/admin/login/?next=/%3Ftype%3Dpublish%26version%3Dv885"


# --- What runs and what waits --------------------------------------------------------


def test_what_runs_says_how_far_it_is_and_how_long_it_will_take(staff):
    RunnerFactory()
    now = timezone.now()
    for seconds in (90, 100, 120):
        begun = now - timedelta(days=1)
        TaskFactory(
            status=Task.Status.COMPLETED,
            version=f"v{seconds}",
            started_at=begun,
            completed_at=begun + timedelta(seconds=seconds),
        )
    TaskFactory(
        status=Task.Status.RUNNING,
        started_at=now - timedelta(seconds=38),
        progress=40,
        step_index=2,
        step_name="Android manifest",
    )
    (row,) = texts_of(staff.get("/").text, "now")
    assert "running Check integrity v885 alice Step 2 of 3: Android manifest" in row
    # Two fifths are done: the pace of this run counts for as much, what is usual for
    # the rest: 0.6 * (38 + 0.6 * 100).
    assert re.search(r"40 % 40 % 3[89] s of usually 1 m 40 s 3[89] s about 59 s", row)


def test_a_lane_is_drawn_over_the_times_of_the_newest_runs(staff):
    began = timezone.now() - timedelta(days=1)
    for seconds in range(10, 30):
        TaskFactory(
            status=Task.Status.COMPLETED,
            started_at=began,
            completed_at=began + timedelta(seconds=seconds),
        )
    TaskFactory(status=Task.Status.RUNNING)
    html = staff.get("/").text
    assert "The newest runs took between 12 s and 27 s." in html
    scale = 27 * 1.15
    band = re.search(r'class="band"\s+x="([\d.]+)%"\s+width="([\d.]+)%"', html)
    assert [float(n) for n in band.groups()] == pytest.approx(
        [100 * 12 / scale, 100 * 15 / scale], abs=0.01
    )


def test_of_a_type_that_hardly_ever_ran_no_time_is_made_up(staff):
    TaskFactory.create_batch(2, status=Task.Status.COMPLETED)
    TaskFactory(status=Task.Status.RUNNING)
    assert "about" not in texts_of(staff.get("/").text, "now")[0]


def test_what_runs_for_longer_than_usual_says_what_is_usual(staff):
    TaskFactory.create_batch(3, status=Task.Status.COMPLETED)  # of one second
    long_ago = timezone.now() - timedelta(minutes=4)
    TaskFactory(status=Task.Status.RUNNING, started_at=long_ago)
    assert texts_of(staff.get("/").text, "now")[0].endswith(
        "4 m 0 s longer than usual (1 s)"
    )


def test_the_further_a_task_is_the_less_what_is_usual_counts():
    assert seconds_left(24, 90, 0) == 66
    assert seconds_left(95, 95, 93) == pytest.approx(0.07 * (95 + 0.07 * 95))
    assert seconds_left(100, 90, 0) is None
    assert seconds_left(10, None, 50) is None


def test_what_waits_says_why_and_the_next_comes_first(staff):
    RunnerFactory()
    TaskFactory(status=Task.Status.RUNNING, lock="publish")
    next_one = TaskFactory(lock="publish", version="v1")
    TaskFactory(version="v2")
    rows = texts_of(staff.get("/").text, "now")
    waits = "Waiting for Check integrity v885 (started by alice) to finish (same lock)"
    assert f"{waits} · next in the queue" in rows[1]
    assert next_one.version in rows[1]
    busy = "Waiting: the only runner slot is busy · position 2 in the queue"
    assert busy in rows[2]


def test_of_a_long_queue_the_first_are_listed_and_the_rest_is_counted(
    staff, django_assert_max_num_queries
):
    TaskFactory.create_batch(60)
    with django_assert_max_num_queries(21):
        answer = staff.get("/")
    assert len(texts_of(answer.text, "now")) == 50
    assert "10 more tasks are queued behind these." in answer.text


def test_what_waits_for_one_lock_is_one_row_that_says_who_holds_it(staff):
    RunnerFactory(concurrency=4)
    TaskFactory(status=Task.Status.RUNNING, lock="publish", step_index=3, step_count=6)
    TaskFactory.create_batch(120, lock="publish")
    alone = TaskFactory(lock="other", version="v1")
    html = staff.get("/").text
    group = html.partition('<details class="queue"')[2].partition("</details>")[0]
    summary = " ".join(re.sub("<[^>]+>", " ", group.partition("</summary>")[0]).split())
    assert "120 queued" in summary
    assert "Waiting for Check integrity v885 (started by alice)" in summary
    assert summary.endswith("step 3 of 6")
    assert str(alone.pk) not in group
    assert html.count('<details class="queue"') == 1


def test_a_failure_stands_there_for_a_day_as_a_sentence(staff):
    now = timezone.now()
    failed = {"status": Task.Status.FAILED, "error": "disk full"}
    TaskFactory(version="v1", completed_at=now - timedelta(hours=25), **failed)
    TaskFactory(version="v2", completed_at=now - timedelta(hours=2), **failed)
    mended = TaskFactory(version="v3", completed_at=now, **failed)
    TaskFactory(version="v3", status=Task.Status.COMPLETED, completed_at=now)
    TaskFactory(version="v4", completed_at=now, **failed)
    found = staff.get("/").context["failures"]
    assert [f.shown.task.version for f in found] == ["v4", "v2", "v3"]
    assert [f.is_mended for f in found] == [False, False, True]
    html = staff.get("/").text
    assert "disk full" in html
    assert f'href="/tasks/{mended.pk}">Open at the error' in html


def test_an_empty_console_says_so(staff):
    html = staff.get("/").text
    assert "Nothing is running or queued." in html
    assert "No tasks yet." in html


# --- What ran ------------------------------------------------------------------------


def test_the_newest_twenty_that_have_ended_are_listed_without_their_results(
    staff, django_assert_max_num_queries
):
    TaskFactory.create_batch(25, status=Task.Status.COMPLETED)
    TaskFactory(status=Task.Status.RUNNING)
    with django_assert_max_num_queries(17):
        answer = staff.get("/")
    assert len(texts_of(answer.text, "recent")) == 20
    shown = answer.context["recent"][0].task
    assert {"result", "trail"} <= shown.get_deferred_fields()


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ("recent-q=v2", ["v2"]),
        ("recent-q=disk+full", ["v3"]),
        ("recent-type=full-sync", ["v2"]),
        ("recent-status=failed", ["v3"]),
        ("recent-status=failed&recent-type=full-sync", []),
        # Parameters of a task, not filters.
        ("type=full-sync&status=failed&q=x", ["v3", "v2", "v1"]),
    ],
)
def test_the_recent_tasks_are_filtered_by_the_address(staff, query, versions):
    ended = {"status": Task.Status.COMPLETED}
    TaskFactory(version="v1", **ended)
    TaskFactory(version="v2", type="full-sync", **ended)
    TaskFactory(version="v3", status=Task.Status.FAILED, error="disk full")
    for path in ("/", "/live/console"):
        recent = staff.get(f"{path}?{query}").context["recent"]
        assert [shown.task.version for shown in recent] == versions


def test_a_filter_that_means_nothing_is_said_and_finds_nothing(staff):
    TaskFactory(status=Task.Status.COMPLETED)
    html = staff.get("/?recent-status=broken").text
    assert "Must be one of: completed, failed, cancelled." in html
    assert texts_of(html, "recent") == []
    assert staff.get("/?recent-from=broken").context["recent"] == []


def test_a_failed_task_says_what_failed_in_the_readers_language(staff):
    reason = Reason("step-failed", step="iOS manifest", exitCode=3)
    error, stored = str(reason), reason.as_json()
    TaskFactory(status=Task.Status.FAILED, error=error, error_reason=stored)
    assert error in texts_of(staff.get("/").text, "recent")[0]
    chinese = {"Accept-Language": "zh-hans"}
    html = staff.get("/", headers=chinese).text
    assert "步骤“iOS 清单”失败，退出码 3。" in texts_of(html, "recent")[0]


def test_the_recent_tasks_are_in_the_order_of_their_ends(staff):
    now = timezone.now()
    for minutes, pinned in ((5, False), (1, False), (3, True), (4, False)):
        TaskFactory(
            status=Task.Status.COMPLETED,
            version=f"v{minutes}",
            pinned=pinned,
            completed_at=now - timedelta(minutes=minutes),
        )
    recent = staff.get("/").context["recent"]
    assert [shown.task.version for shown in recent] == ["v1", "v3", "v4", "v5"]


# --- What is live --------------------------------------------------------------------


def write_pointer(store, platform, **values):
    path = store / platform / "current.json"
    path.parent.mkdir(parents=True)
    pointer = {
        "format": "release-pointer/1",
        "version": "v885",
        "manifestSha256": "a" * 64,
        **values,
    }
    path.write_text(json.dumps(pointer))


def test_each_platform_says_what_is_live_since_when_and_by_which_task(staff, store):
    task = TaskFactory(type="full-sync", status=Task.Status.COMPLETED)
    since = f"{timezone.now() - timedelta(hours=3):%Y-%m-%dT%H:%M:%S}.000Z"
    write_pointer(store, "ios", previous="v884", publishedAt=since, taskId=str(task.pk))
    write_pointer(store, "android", taskId="by hand", publishedAt="long ago")
    html = staff.get("/").text
    assert texts_of(html, "releases") == [
        "iOS Roll back to v884… v885 3 h ago · Full sync v885 · alice",
        "Android v885",
        "Facebook Nothing is published yet.",
    ]
    assert f'<a href="/tasks/{task.pk}">Full sync v885</a>' in html
    assert 'href="/?type=rollback&amp;version=v884&amp;platforms=ios"' in html


def test_a_store_that_cant_be_read_hides_neither_the_others_nor_the_page(staff, store):
    write_pointer(store, "ios")
    write_pointer(store, "facebook")
    (store / "facebook/current.json").write_text("{")
    rows = texts_of(staff.get("/").text, "releases")
    assert rows[0].startswith("iOS v885")
    assert rows[2] == "Facebook The store could not be read."


def test_a_rerun_of_a_task_with_secrets_leads_to_the_form_that_asks_for_them(
    staff, own_types
):
    params = {"version": "v884", "token": "hunter22"}
    first = lifecycle.submit("publish", params, Actor("alice"))
    page = staff.post(f"/tasks/{first.pk}/rerun", {"sure": "yes"}, follow=True)
    assert change_link(first).replace("&", "&amp;") in page.text
    assert "token: It is secret, so it has to be given again." in page.text
    assert "hunter2" not in page.text
    assert Task.objects.count() == 1
    fields = staff.get(change_link(first)).context["chosen"].fields
    assert not any(field.is_changed for field in fields)  # it is to be given, not other
    form = {"type": "publish", **params, "rerun-of": str(first.pk)}
    staff.post("/", form | {"typed-again": "v884"})
    assert Task.objects.get(rerun_of=first).params["token"] == "***"


def test_platforms_of_ones_own_have_their_titles(staff, store, monkeypatch):
    monkeypatch.setenv("RESOURCE_PLATFORMS", "wechat=微信小游戏")
    assert "微信小游戏" in staff.get("/").text
