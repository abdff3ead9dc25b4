"""What a task's page says beside its log: steps, time left, reruns, result."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from tasks.access.actor import Actor, record
from tasks.estimates import (
    LEAST_RUNS,
    RUNS,
    Usual,
    past_runs,
    usual_seconds,
    usual_silences,
    usual_step_times,
)
from tasks.logs.own_lines import OWN_LINES
from tasks.models import AuditEvent, Task
from tasks.presenters.outputs import Cell, Label, Table, outcome_of
from tasks.presenters.own_lines import own_lines
from tasks.presenters.steps import Bar, StepRow, with_bars
from tasks.presenters.task import Shown
from tests.factories import NOON, RunnerFactory, TaskFactory, write_log

pytestmark = pytest.mark.django_db

THREE = """
[three]
[three.params.version]
[three.params.token]
secret = true
required = false
[[three.steps]]
name = "one"
command = ["true"]
[[three.steps]]
name = "two"
command = ["true"]
weight = 2
[[three.steps]]
name = "three"
command = ["true"]
"""


@pytest.fixture
def three(use_task_types):
    use_task_types(THREE)


def facts(client, task):
    answer = client.get(f"/tasks/{task.pk}/facts")
    assert answer.status_code == 200
    return answer.text


# --- Steps --------------------------------------------------------------------------


def running(trail, lines, **fields):
    task = TaskFactory(
        type="three",
        status=Task.Status.RUNNING,
        trail=trail,
        step_index=trail[-1][1],
        progress=trail[-1][3],
        **fields,
    )
    write_log(task, *lines)  # each one millisecond after the other
    return task


def test_steps_of_a_running_task_say_how_long_each_took(three):
    trail = [[0, 1, "one", 0, None], [4, 2, "two", 25, None], [6, 2, "two", 50, None]]
    task = running(trail, ["Executing: one", *"abc", "Executing: two", *"de"])
    rows = Shown(task, NOON + timedelta(seconds=90)).steps
    found = [(row.name, row.status, row.duration, row.line) for row in rows]
    assert found == [
        ("one", "completed", "4 ms", 1),
        ("two", "running", "1 m 29 s", 5),
        ("three", "pending", "", None),
    ]
    assert [row.progress for row in rows] == [None, 50, None]
    assert rows[1].since_ms == int(NOON.timestamp() * 1000) + 5


def test_a_task_that_began_anew_counts_its_steps_anew(three):
    trail = [[0, 1, "one", 0, None], [1, 2, "two", 25, None], [2, 1, "one", 25, None]]
    task = running(trail, ["Executing: one", "Executing: two", "Executing: one"])
    rows = Shown(task, NOON).steps
    assert [(row.status, row.line) for row in rows] == [
        ("running", 3),
        ("pending", None),
        ("pending", None),
    ]


def test_steps_of_a_task_that_has_ended_lead_to_their_lines(three, staff):
    results = [
        {"name": "one", "exitCode": 0, "durationMs": 100, "attempt": 1},
        {"name": "two", "exitCode": 3, "durationMs": 200, "attempt": 1},
        {"name": "two", "exitCode": 0, "durationMs": 300, "attempt": 2},
    ]
    task = TaskFactory(
        type="three",
        status=Task.Status.COMPLETED,
        trail=[
            [0, 1, "one", 0, None],
            [7, 2, "two", 25, None],
            [9, 2, "two", 25, None],
        ],
        result={"success": True, "results": results},
    )
    rows = Shown(task, NOON).steps
    assert [row.line for row in rows] == [1, 8, 10, None]
    assert 'href="#L8"' in facts(staff, task)


def test_a_step_that_is_over_says_how_it_ended_where_that_is_known(use_task_types):
    steps = 'name = "one"\ncommand = ["true"]\n'
    may_fail = f"[[three.steps]]\n{steps}continue_on_error = true\n"
    use_task_types(f"[three]\n[[three.steps]]\n{steps}{may_fail * 2}")
    trail = [[0, 1, "one", 0, None], [1, 2, "one", 33, None], [2, 3, "one", 66, None]]
    rows = Shown(running(trail, ["Executing: one"] * 3), NOON).steps
    assert [(row.label, row.exit_code) for row in rows] == [
        ("completed", 0),
        ("finished", None),
        ("running", None),
    ]


def test_bars_of_steps_follow_each_other_over_the_time_that_is_usual():
    rows = [StepRow("a", "completed", seconds=seconds) for seconds in (10, 0, 30)]
    rows.append(StepRow("d", "pending"))
    found = [row.bar and (row.bar.begin, row.bar.width) for row in with_bars(rows)]
    assert found == [
        ("0.00%", "25.00%"),
        ("25.00%", "1.00%"),  # it is seen as well
        ("25.00%", "75.00%"),
        None,
    ]
    shares = [row.bar.width for row in with_bars(rows[:3], usual=80)]
    assert shares == ["12.50%", "1.00%", "37.50%"]


def took(*entries, status=Task.Status.COMPLETED):
    """A task whose steps took so long: (step, exit code, milliseconds) of each."""
    results = [
        {"name": name, "exitCode": code, "durationMs": milliseconds}
        for name, code, milliseconds in entries
    ]
    return TaskFactory(type="three", status=status, result={"results": results})


def test_a_steps_usual_time_is_that_of_the_newest_completed_runs(three):
    for seconds in (10, 20, 30):
        took(("one", 0, 1000 * seconds), ("two", 1, 99_000), ("two", 0, 500))
    took(("one", 0, 88_000), status=Task.Status.FAILED)
    found = usual_step_times(past_runs("three"))
    assert found == {"one": Usual(20, 10, 30), "two": Usual(0.5, 0.5, 0.5)}
    for _ in range(RUNS):
        newest = took(("one", 0, 7000))
    assert usual_step_times(past_runs("three")) == {"one": Usual(7, 7, 7)}
    assert len(past_runs("three", but=newest.pk)) == RUNS
    newest.delete()
    assert len(past_runs("three", but=newest.pk)) == RUNS


def test_of_steps_that_hardly_ever_ran_nothing_is_drawn_or_said(three, staff):
    for _ in range(LEAST_RUNS - 1):
        took(("one", 0, 1000))
    task = took(("one", 0, 900_000))
    assert {(row.usual, row.band, row.slower) for row in Shown(task, NOON).steps} == {
        (None, None, "")
    }
    assert "data-usual=" not in facts(staff, task)


def test_a_step_lies_over_its_usual_times_and_is_not_compared_with_itself(three, staff):
    for seconds in (50, 60, 80):
        took(("one", 0, 1000 * seconds), ("two", 0, 1000))
    task = took(("one", 0, 100_000), ("two", 0, 1000))
    one, two, three_ = Shown(task, NOON).steps
    assert one.usual == Usual(60, 50, 80)
    assert (one.band.bar.begin, one.band.median) == ("49.50%", "59.41%")
    assert one.slower == "67 % slower than usual"
    assert (two.slower, three_.usual) == ("", None)
    html = facts(staff, task)
    assert 'data-usual="50.000 60.000 80.000"' in html
    assert "67 % slower than usual" in html
    assert "The newest runs took between 50 s and 1 m 20 s." in html


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (8.9, ""),  # as slow as some were
        (9.9, ""),  # less than a second beyond that
        (10, "100 % slower than usual"),
        (60, "1,100 % slower than usual"),
    ],
)
def test_a_step_is_called_slow_only_beyond_nearly_all_runs(seconds, words):
    rows = [StepRow("a", "completed", seconds=seconds)]
    (row,) = with_bars(rows, None, {"a": Usual(5, 4, 9)})
    assert row.slower == words


def test_the_bars_end_where_the_slowest_usual_run_does():
    rows = [StepRow("a", "running", seconds=10), StepRow("b", "pending")]
    a, b = with_bars(rows, 20, {"a": Usual(30, 20, 40), "b": Usual(5, 4, 9)})
    assert (a.bar.width, a.band.bar, a.band.median) == (
        "25.00%",
        Bar("50.00%", "50.00%"),
        "75.00%",
    )
    assert (b.bar, b.band) == (None, None)
    assert b.usual is not None  # it is drawn once it runs


@pytest.mark.parametrize(
    ("code", "label", "words"),
    [
        (0, "", ""),
        (None, "", ""),
        (1, "exit code 1", ""),
        (127, "exit code 127", "command not found"),
        (137, "exit code 137", "killed (out of memory?)"),
        (-9, "exit code -9", "killed (out of memory?)"),
    ],
)
def test_an_exit_code_is_said_where_it_says_something(code, label, words):
    row = StepRow("a", "failed", exit_code=code)
    assert (row.exit_label, row.exit_words) == (label, words)


# --- Progress -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_known"),
    [
        ({"status": Task.Status.PENDING, "step_count": 3}, False),
        ({"status": Task.Status.RUNNING, "step_count": 1}, False),
        ({"status": Task.Status.RUNNING, "step_count": 1, "progress": 1}, True),
        ({"status": Task.Status.RUNNING, "step_count": 2}, True),
        ({"status": Task.Status.FAILED, "step_count": 1}, False),
        ({"status": Task.Status.CANCELLED, "started_at": None}, False),
    ],
)
def test_progress_is_shown_only_where_it_is_known(staff, fields, is_known):
    task = TaskFactory(**fields)
    assert Shown(task, timezone.now()).knows_progress is is_known
    for path in (f"/tasks/{task.pk}", "/"):
        bars = re.findall(r"<progress.*?>", staff.get(path).text, re.DOTALL)
        assert all(("hidden" in bar) is not is_known for bar in bars)


def test_time_stands_beside_the_usual_where_no_progress_is_known():
    for _ in range(LEAST_RUNS):
        completed(90)
    now = timezone.now()
    started = now - timedelta(seconds=24)
    task = TaskFactory(status=Task.Status.RUNNING, step_count=1, started_at=started)
    assert Shown(task, now).against_usual == "24 s of usually 1 m 30 s"
    with translation.override("zh-hans"):
        assert Shown(task, now).against_usual == "已用 24 秒，平时 1 分 30 秒"


# --- Time left ----------------------------------------------------------------------


def completed(seconds, **fields):
    ended = timezone.now()
    started = ended - timedelta(seconds=seconds)
    return TaskFactory(
        status=Task.Status.COMPLETED, started_at=started, completed_at=ended, **fields
    )


def test_of_too_few_tasks_nothing_is_said():
    for _ in range(LEAST_RUNS - 1):
        completed(60)
    completed(60, type="full-sync")
    TaskFactory(status=Task.Status.FAILED)
    assert usual_seconds(["check-integrity"]) == {}
    task = TaskFactory(status=Task.Status.RUNNING)
    assert Shown(task, timezone.now()).time_left == ""


def test_the_usual_time_is_the_median_of_the_last_tasks():
    for seconds in (10, 20, 900):
        completed(seconds)
    assert usual_seconds(["check-integrity"]) == {"check-integrity": 20}
    for _ in range(RUNS):
        completed(50)
    assert usual_seconds(["check-integrity"]) == {"check-integrity": 50}


def silent(*entries, status=Task.Status.COMPLETED):
    """A task that was silent: (step, exit code, milliseconds) of each attempt."""
    results = [
        {"name": name, "exitCode": code, "longestSilenceMs": silence}
        for name, code, silence in entries
    ]
    return TaskFactory(type="three", status=status, result={"results": results})


def test_a_steps_usual_silence_is_the_longest_of_the_last_tasks(three):
    for silence in (1500, 20_000, 300):
        silent(("one", 0, silence), ("two", 1, 99_000), ("two", 0, 250))
    silent(("one", 0, 88_000), status=Task.Status.FAILED)
    assert usual_silences(past_runs("three")) == {"one": 20, "two": 0.25}
    for _ in range(RUNS):
        silent(("one", 0, 700))
    assert usual_silences(past_runs("three")) == {"one": 0.7}


def test_of_silences_in_too_few_tasks_nothing_is_said(three, staff):
    for _ in range(LEAST_RUNS - 1):
        silent(("one", 0, 1500), ("two", 0, 20))
    TaskFactory(type="three", status=Task.Status.COMPLETED, result=None)
    TaskFactory(
        type="three",
        status=Task.Status.COMPLETED,  # by a runner that did not listen for it
        result={"results": [{"name": "one", "exitCode": 0}]},
    )
    assert usual_silences(past_runs("three")) == {}
    task = TaskFactory(type="three", status=Task.Status.RUNNING)
    place = '<script id="usual-silences" type="application/json">{}</script>'
    assert place in staff.get(f"/tasks/{task.pk}").text


@pytest.mark.parametrize(
    ("ran", "progress", "english", "chinese"),
    [
        (10, 0, "about 50 s left", "大约还需 50 秒"),
        (61, 0, "longer than usual (1 m 0 s)", "比平时久（平时 1 分 0 秒）"),
        # Half way after twice the usual time, it is by its own pace, too.
        (120, 50, "about 1 m 15 s left", "大约还需 1 分 15 秒"),
    ],
)
def test_a_running_task_says_how_long_it_may_still_take(
    ran, progress, english, chinese
):
    for _ in range(LEAST_RUNS):
        completed(60)
    now = timezone.now()
    started = now - timedelta(seconds=ran)
    task = TaskFactory(
        status=Task.Status.RUNNING, started_at=started, progress=progress
    )
    assert Shown(task, now).time_left == english
    with translation.override("zh-hans"):
        assert Shown(task, now).time_left == chinese


# --- What runners write into logs --------------------------------------------------


def test_each_line_that_a_runner_writes_has_its_own_language_with_the_same_facts():
    assert own_lines() == []  # it reads as it is stored
    with translation.override("zh-hans"):
        found = dict(own_lines())
    assert found.keys() >= set(OWN_LINES.values())
    assert found["Timed out after {seconds} s."]
    for stored, local in found.items():
        facts, said = (set(re.findall(r"\{\w+\}", text)) for text in (stored, local))
        assert facts == said, stored


# --- Who, and where from -----------------------------------------------------------


def test_who_started_it_and_from_where(staff):
    task = TaskFactory(created_by="lin", created_from="10.1.2.3")
    text = " ".join(facts(staff, task).split())
    assert "<li>lin</li> <li>10.1.2.3</li>" in text
    assert "<li>10" not in facts(staff, TaskFactory())


def test_the_key_in_api_key_is_called_so_wherever_people_see_who_acted(staff):
    task = TaskFactory(
        created_by="bootstrap",
        cancel_requested_by="bootstrap",
        status=Task.Status.CANCELLED,
        error="Cancelled by bootstrap.",
        error_reason={"code": "cancelled", "params": {"by": "bootstrap"}},
    )
    actor = Actor("bootstrap", "10.0.0.1")
    record(actor, AuditEvent.Action.CANCEL, task.pk)
    event = AuditEvent.objects.get()
    for path in (
        f"/tasks/{task.pk}",
        "/history",
        f"/admin/tasks/task/{task.pk}/change/",
        "/admin/tasks/task/",
        "/admin/tasks/auditevent/",
        f"/admin/tasks/auditevent/{event.pk}/change/",
    ):
        page = staff.get(path).text
        assert "key in API_KEY" in page, path
        seen = page.replace('value="bootstrap"', "")  # what a filter compares with
        assert "bootstrap" not in seen, path
    # To programs it keeps its name.
    assert staff.get(f"/api/tasks/{task.pk}").json()["createdBy"] == "bootstrap"


# --- Reruns -------------------------------------------------------------------------


def test_the_chain_of_reruns_has_what_came_before_and_after(staff):
    first = TaskFactory(status=Task.Status.FAILED)
    second = TaskFactory(status=Task.Status.CANCELLED, rerun_of=first)
    third = TaskFactory(status=Task.Status.RUNNING, rerun_of=second)
    chain = Shown(second, NOON).chain
    assert [(link.task, link.is_this) for link in chain] == [
        (first, False),
        (second, True),
        (third, False),
    ]
    html = facts(staff, second)
    assert f"/tasks/{first.pk}" in html
    assert f"/tasks/{third.pk}" in html
    assert f'href="/tasks/{second.pk}' not in html


def test_a_task_that_stands_alone_has_no_chain():
    assert Shown(TaskFactory(), NOON).chain == []


def test_rerun_with_changes_leads_to_the_form_without_secrets(three, staff):
    params = {"version": "v885 & more", "token": "hunter2"}
    task = TaskFactory(type="three", params=params, status=Task.Status.COMPLETED)
    link = f"/?type=three&version=v885+%26+more&rerun-of={task.pk}"
    assert Shown(task, NOON).with_changes == link
    page = staff.get(f"/tasks/{task.pk}").text
    assert link.replace("&", "&amp;") in page
    assert "hunter2" not in page
    form = staff.get(Shown(task, NOON).with_changes).context["forms"][0]
    assert form.fields[0].value == "v885 & more"


def test_what_can_not_be_started_is_not_offered_with_changes(use_task_types):
    assert Shown(TaskFactory(type="gone"), NOON).with_changes == ""
    use_task_types(THREE.replace("[three]", "[three]\nhidden = true", 1))
    assert Shown(TaskFactory(type="three"), NOON).with_changes == ""


# --- The result ---------------------------------------------------------------------


def test_outputs_are_values_and_a_table_of_platforms():
    outcome = outcome_of(
        {
            "outputs": {
                "new": "1234",
                "note": "done",
                "seen": "1234",
                "ios": {"version": "v885", "new": 12, "bytesUploaded": 4_300_000},
                "android": {"new": 1200, "missing": ["a"]},
            }
        }
    )
    assert in_words(outcome.values) == [("note", "done"), ("seen", "1,234")]
    table = outcome.table
    assert [str(column) for column in table.columns] == ["iOS", "Android"]
    assert in_words(table.rows) == [
        ("version", ["v885", "–"]),
        ("new files", ["12", "1,200"]),
        ("uploaded", ["4.3 MB", "–"]),
        ("missing", ["–", '["a"]']),
    ]


def test_a_probed_store_is_said_to_work_or_not():
    fit, unfit = {"tried": 9, "unfit": 0, "store": "/a"}, {"tried": 9, "unfit": 1}
    outcome = outcome_of({"outputs": {"ios": fit, "android": fit, "facebook": unfit}})
    assert outcome.sentence == (
        "The store of Facebook will not work as it is set"
        " · The store of iOS, Android works"
    )
    assert in_words(outcome.table.rows) == [
        ("things tried", ["9", "9", "9"]),
        ("unfit stores", ["0", "0", "1"]),
        ("store", ["/a", "/a", "–"]),
    ]


def in_words(rows):
    return [
        (str(name), [*map(str, cell)] if isinstance(cell, list) else str(cell))
        for name, cell in rows
    ]


def test_only_outputs_of_the_built_in_jobs_are_called_otherwise_than_they_are():
    own = outcome_of({"outputs": {"bytes": 12, "failed": 0, "stage": {"new": 1}}})
    assert in_words(own.values) == [("bytes", "12 B"), ("failed", "0")]
    assert in_words(own.table.rows) == [("new", ["1"])]
    engine = outcome_of({"outputs": {"failed": 0, "ios": {"bytes": 12, "mine": "x"}}})
    assert in_words(engine.values) == [("failed", "0")]
    found = [(str(label), label.is_own) for label, _ in engine.table.rows]
    assert found == [("total size", False), ("mine", True)]


# What a task puts out that serves testers first.
ON_BETA = {"channel": "beta", "onChannel": "v885", "previous": None}
MOVED = {"served": "v885", "previous": "v884"}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"ios": {"filesChecked": 1200, "failed": 0}}, "1,200 files checked"),
        (
            {"ios": {"filesChecked": 2, "failed": 1}, "android": {"filesChecked": 3}},
            "5 files checked · 1 failed",
        ),
        (
            {
                "ios": {"served": "v885", "previous": "v884", "new": 1},
                "android": {"served": "v885", "previous": "v884", "new": 11},
                "facebook": {"served": "v885", "new": 0, "bytesUploaded": 4_300_000},
            },
            "Live on iOS, Android: v884 → v885 · 12 new files · 4.3 MB uploaded",
        ),
        ({"ios": {"served": "v885", "previous": None}}, "Live on iOS: v885"),
        (
            {
                "ios": {"rollout": "v885", "percent": 5, "served": "v884", "serial": 2},
                "android": {"rollout": "v885", "percent": 5, "served": "v884"},
            },
            "v885 for 5 % of the players on iOS, Android",
        ),
        (
            {"ios": {"rollout": "v885", "percent": 2.5, "channel": "beta"}},
            "v885 for 2.5 % of the players of beta on iOS",
        ),
        (
            {"ios": {"halted": "v885", "served": "v884", "serial": 3}},
            "Rollout of v885 halted on iOS: all players get v884",
        ),
        (
            {"ios": {"channel": "beta", "onChannel": "v885", "previous": "v884"}},
            "On beta of iOS: v884 → v885",
        ),
        (
            {"ios": {"channel": "beta", "onChannel": "v885", **MOVED}},
            "Live on iOS: v884 → v885",
        ),
        (
            {"ios": {**ON_BETA, "rollout": "v885", "percent": 5, "served": "v884"}},
            "v885 for 5 % of the players on iOS",
        ),
        ({"ios": {"served": "v885", "files": 4}}, "v885 was served on iOS already"),
        (
            {"ios": {"filesChecked": 1245, "damaged": 3, "repaired": 2}},
            "1,245 files checked · 3 damaged · 2 repaired",
        ),
        (
            {"ios": {"objectsRemoved": 31, "bytesRemoved": 1_800_000}},
            "31 objects removed · 1.8 MB freed",
        ),
        (
            {"ios": {"objectsRemoved": 0, "bytesRemoved": 0}},
            "0 objects removed · 0 B freed",
        ),
        ({"ios": {"uploadsRemoved": 1}}, "1 upload removed"),
        (
            {"ios": {"filesChecked": 1245, "damaged": 0}},
            "1,245 files checked · 0 damaged",
        ),
        (
            {"ios": {"added": 4, "changed": 8, "playerBytes": 231_000}},
            "4 added · 8 changed · players download 231.0 kB",
        ),
        ({"stage": {"new": 3, "served": "v885", "previous": None}}, ""),
    ],
)
def test_what_the_built_in_jobs_did_is_said_in_a_sentence(rows, sentence):
    assert outcome_of({"outputs": rows}).sentence == sentence


def test_what_the_sentence_says_of_all_stands_in_no_row():
    moved = {"served": "v885", "previous": "v884"}

    def rows_of(outputs):
        table = outcome_of({"outputs": outputs}).table
        return [str(name) for name, _ in table.rows]

    assert rows_of({"ios": {**moved, "new": 1}}) == ["new files"]
    assert rows_of({"ios": moved}) == ["now live", "previously live"]
    still = {"served": "v885", "new": 0}
    served_already = {"ios": {**moved, "new": 1}, "android": still}
    assert rows_of(served_already) == ["now live", "previously live", "new files"]
    assert rows_of({"stage": {**moved, "new": 1}}) == ["served", "previous", "new"]


def test_an_address_among_the_outputs_is_a_link(staff):
    task = TaskFactory(status=Task.Status.COMPLETED)
    for value, is_link in (
        ("https://cdn.example.com/v885/?a=1&b=2", True),
        ("see https://cdn.example.com", False),
        ("https://cdn.example.com/v885/?a=1&b=2 and more", False),
        ("javascript:alert(1)", False),
    ):
        task.result = {"outputs": {"report": value}}
        task.save()
        html = facts(staff, task)
        assert ('<a href="https://cdn.example.com' in html) is is_link
        assert 'href="javascript' not in html


@pytest.mark.parametrize(
    ("text", "at_the_right"),
    [("1,234", True), ("v885", True), ("nothing to do", False), ("x" * 11, False)],
)
def test_text_stands_at_the_left_and_figures_at_the_right(text, at_the_right):
    assert Cell(text).is_figure is at_the_right


def test_a_column_is_named_at_the_side_where_its_values_stand():
    figures, words = Cell("1,234", is_number=True), Cell("nothing to do here")
    columns = [Label("ios", is_own=True), Label("note", is_own=True)]
    rows = [(Label("new"), [figures, words]), (Label("left"), [figures, figures])]
    heads = [(str(label), figures) for label, figures in Table(columns, rows).heads]
    assert heads == [("ios", True), ("note", False)]


def test_a_task_without_outputs_has_no_table(staff):
    task = TaskFactory(status=Task.Status.COMPLETED, result={"results": []})
    assert not Shown(task, NOON).outcome
    assert "<caption" not in facts(staff, task)
    task.result["outputs"] = {"ios": {"new": 3}}
    task.save()
    assert re.search(r"<caption>\s+Result\s+<span", facts(staff, task))


def test_facts_are_for_staff_only(stranger, staff):
    task = TaskFactory()
    assert stranger.get(f"/tasks/{task.pk}/facts").status_code == 302
    gone = "/tasks/00000000-0000-4000-8000-000000000000/facts"
    assert staff.get(gone).status_code == 404


def test_a_page_asks_the_database_a_bounded_number_of_times(
    staff, django_assert_max_num_queries
):
    RunnerFactory()
    task = TaskFactory(status=Task.Status.RUNNING)
    for _ in range(5):
        TaskFactory(rerun_of=task)
    write_log(task, *(str(n) for n in range(300)))
    with django_assert_max_num_queries(14):
        staff.get(f"/tasks/{task.pk}")
    TaskFactory(status=Task.Status.COMPLETED, number=0)
    task.status, task.completed_at = Task.Status.FAILED, timezone.now()
    task.save()
    with django_assert_max_num_queries(14):
        staff.get(f"/tasks/{task.pk}")
