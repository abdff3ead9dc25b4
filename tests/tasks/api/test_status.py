"""GET /api/tasks/{id} and /api/tasks/{id}/status."""

import pytest

from tests.factories import NOON, RunnerFactory, TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.mark.parametrize("end", ["", "/status"])
def test_it_shows_the_whole_task(program, end):
    first = TaskFactory(status="failed")
    result = {"success": True, "results": []}
    task = TaskFactory(status="completed", progress=100, rerun_of=first, result=result)
    response = program.get(f"/api/tasks/{task.pk}{end}")
    assert response.status_code == 200
    body = response.json()
    base = f"http://testserver/api/tasks/{task.pk}"
    assert body["createdAt"].endswith("Z")
    assert len(body["createdAt"]) == len("2025-11-26T10:30:01.234Z")
    assert body == {
        "id": str(task.pk),
        "type": "check-integrity",
        "params": {"version": "v885"},
        "status": "completed",
        "waitingFor": None,
        "approval": None,
        "approvalMs": 0,
        "attempt": 1,
        "progress": 100,
        "step": {"index": 0, "count": 3, "name": ""},
        "createdAt": body["createdAt"],
        "startedAt": body["startedAt"],
        "completedAt": body["completedAt"],
        "createdBy": "alice",
        "scheduleId": None,
        "stalledSince": None,
        "cancelRequestedAt": None,
        "cancelRequestedBy": None,
        "cancelForced": False,
        "pinned": False,
        "rerunOf": str(first.pk),
        "result": result,
        "summary": None,
        "summaryBytes": 0,
        "error": None,
        "errorCode": None,
        "errorParams": None,
        "logCount": 0,
        "logs": [],
        "statusUrl": f"{base}/status",
        "streamUrl": f"{base}/stream",
    }


def test_a_task_that_waits_says_for_what(program):
    RunnerFactory(concurrency=9)
    holder = TaskFactory(status="running", lock="version:v885")
    task = TaskFactory(lock="version:v885", attempt=2)
    body = program.get(f"/api/tasks/{task.pk}").json()
    assert body["attempt"] == 2
    assert body["waitingFor"] == {
        "reason": "lock",
        "position": 1,
        "taskId": str(holder.pk),
        "message": "Waiting for check-integrity v885 to finish.",
    }


@pytest.mark.parametrize("end", ["", "/status"])
def test_a_summary_is_shown_as_it_was_written(program, end):
    text = "# 版本\n\n<script>alert(1)</script>"
    size = len(text.encode())
    task = TaskFactory(status="running", summary=text, summary_bytes=size)
    body = program.get(f"/api/tasks/{task.pk}{end}").json()
    assert (body["summary"], body["summaryBytes"]) == (text, size)


def test_a_silent_step_is_told_with_since_when(program):
    task = TaskFactory(status="running", stalled_since=NOON, cancel_forced=True)
    body = program.get(f"/api/tasks/{task.pk}").json()
    assert body["stalledSince"] == "2025-11-26T12:00:00.000Z"
    assert body["cancelForced"] is True


def test_of_a_type_that_is_gone_every_parameter_may_have_been_a_secret(program):
    task = TaskFactory(type="gone", params={"version": "v885", "password": "hunter2"})
    body = program.get(f"/api/tasks/{task.pk}").json()
    assert body["params"] == {"version": "***", "password": "***"}


def test_it_carries_the_newest_lines(program):
    task = TaskFactory(status="running")
    write_log(task, *(f"line {n}" for n in range(1, 31)))
    body = program.get(f"/api/tasks/{task.pk}/status").json()
    assert body["logCount"] == 30
    assert [line["seq"] for line in body["logs"]] == list(range(21, 31))
    assert body["logs"][-1]["message"] == "line 30"


def test_it_costs_three_queries(program, django_assert_num_queries):
    task = TaskFactory(status="running")
    write_log(task, "one")
    program.get(f"/api/tasks/{task.pk}")  # writes when the key was last used
    with django_assert_num_queries(3):  # the key, the task, its lines
        program.get(f"/api/tasks/{task.pk}")


@pytest.mark.parametrize(
    "task_id",
    [
        "5f0c1d3e-9a57-4c55-8f5e-0d6a4a3f2b11",
        "check-integrity",
        "1",
        "{00000000-0000-0000-0000-000000000000}",
        "%00",
        "钥匙",
    ],
)
@pytest.mark.parametrize("end", ["", "/status", "/logs", "/logs.txt"])
def test_what_is_no_task_is_404(program, task_id, end):
    problem_of(program.get(f"/api/tasks/{task_id}{end}"), 404)


def test_ids_may_be_written_in_capitals(program):
    task = TaskFactory()
    assert program.get(f"/api/tasks/{str(task.pk).upper()}").status_code == 200


def test_whoever_asks_for_another_format_gets_json(program):
    task = TaskFactory()
    response = program.get(f"/api/tasks/{task.pk}", headers={"Accept": "text/csv"})
    assert response["Content-Type"] == "application/json"


# --- The stream's URL ---------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://tools.example.com"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_browser_with_a_key_gets_a_token_for_its_eventsource(program, headers):
    task = TaskFactory()
    for path in (f"/api/tasks/{task.pk}", f"/api/tasks/{task.pk}/status"):
        body = program.get(path, headers=headers).json()
        assert "/stream?token=" in body["streamUrl"]
        assert "token" not in body["statusUrl"]


def test_a_program_gets_a_clean_url(program):
    assert (
        program.get(f"/api/tasks/{TaskFactory().pk}")
        .json()["streamUrl"]
        .endswith("/stream")
    )


def test_a_browser_with_a_session_needs_no_token(browser):
    path = f"/api/tasks/{TaskFactory().pk}"
    body = browser.get(path, headers={"Sec-Fetch-Site": "same-origin"}).json()
    assert body["streamUrl"].endswith("/stream")


@pytest.mark.parametrize("end", ["", "/status"])
def test_who_has_an_ended_task_as_it_is_gets_it_no_second_time(program, end):
    task = TaskFactory(status="completed")
    path = f"/api/tasks/{task.pk}{end}"
    before = program.get(path)
    assert before["Cache-Control"] == "private, no-cache"
    known = {"If-None-Match": before["ETag"]}
    answer = program.get(path, headers=known)
    assert (answer.status_code, answer.content) == (304, b"")
    task.pinned = True
    task.save()
    changed = program.get(path, headers=known)
    assert (changed.status_code, changed.json()["pinned"]) == (200, True)


def test_a_task_that_goes_on_is_kept_by_nobody(program):
    answer = program.get(f"/api/tasks/{TaskFactory(status='running').pk}/status")
    assert answer["Cache-Control"] == "no-store"
    assert "ETag" not in answer
