"""GET /api/tasks/{id}/logs and /api/tasks/{id}/logs.txt."""

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest

from tasks.api.log_download import log_download
from tests.factories import TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(db):
    task = TaskFactory(status="completed")
    write_log(
        task,
        ("info", "Executing: ./match"),
        "Grüße, 世界",
        ("stderr", "100% DONE"),
        "",
        ("success", "Done."),
    )
    return task


def seqs(response):
    assert response.status_code == 200, response.content
    return [line["seq"] for line in response.json()["logs"]]


def test_lines_come_in_order_as_they_were_printed(program, task):
    body = program.get(f"/api/tasks/{task.pk}/logs").json()
    assert body["next"] is None
    assert body["logs"][1] == {
        "seq": 2,
        "timestamp": "2025-11-26T12:00:00.002Z",
        "level": "stdout",
        "message": "Grüße, 世界",
    }
    assert [line["seq"] for line in body["logs"]] == [1, 2, 3, 4, 5]


def test_pages_lead_through_the_whole_log(program, task):
    found, after = [], 0
    while after is not None:
        response = program.get(f"/api/tasks/{task.pk}/logs?limit=2&after={after}")
        found += seqs(response)
        after = response.json()["next"]
    assert found == [1, 2, 3, 4, 5]


def test_pages_lead_from_the_end_to_the_beginning(program, task):
    found, before = [], 2**53 - 1
    while before is not None:
        response = program.get(f"/api/tasks/{task.pk}/logs?limit=2&before={before}")
        found = seqs(response) + found
        before = response.json()["previous"]
    assert found == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("after=1&before=4", [2, 3]),
        ("after=0&before=3", [1, 2]),
        ("after=4&before=4", []),
        ("before=4&q=e&limit=1", [3]),
        ("before=6&q=done", [3, 5]),
        ("after=3&before=6&q=done", [5]),
    ],
)
def test_a_range_of_lines_is_exact(program, task, query, found):
    assert seqs(program.get(f"/api/tasks/{task.pk}/logs?{query}")) == found


def test_a_last_page_that_is_full_has_no_next(program, task):
    response = program.get(f"/api/tasks/{task.pk}/logs?limit=5")
    assert response.json()["next"] is None


def test_behind_the_last_line_there_is_nothing(program, task):
    response = program.get(f"/api/tasks/{task.pk}/logs?after=5")
    assert response.json() == {"logs": [], "next": None, "previous": None}


def test_other_tasks_lines_stay_out(program, task):
    write_log(TaskFactory(), "not this one")
    assert seqs(program.get(f"/api/tasks/{task.pk}/logs")) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("level=stdout", [2, 4]),
        ("level=stderr", [3]),
        ("level=stdout,stderr", [2, 3, 4]),
        ("level=stdout&level=stderr", [2, 3, 4]),
        ("level=", [1, 2, 3, 4, 5]),
        ("level=stdout,stderr&after=2", [3, 4]),
        ("level=stdout,stderr&before=4&limit=2", [2, 3]),
        ("q=done", [3, 5]),
        ("q=世界", [2]),
        ("q=100%25", [3]),
        ("level=stdout&q=done", []),
        ("level=stdout&after=2", [4]),
    ],
)
def test_lines_can_be_filtered(program, task, query, found):
    assert seqs(program.get(f"/api/tasks/{task.pk}/logs?{query}")) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "-1"),
        ("after", "x"),
        ("after", "9" * 20),
        ("before", "0"),
        ("before", "x"),
        ("limit", "0"),
        ("limit", "10001"),
        ("level", "debug"),
        ("level", "stdout,debug"),
        ("q", "x" * 201),
        ("q", "nul\0"),
    ],
)
def test_a_wrong_value_is_400_naming_it(program, task, name, value):
    response = program.get(f"/api/tasks/{task.pk}/logs", {name: value})
    assert set(problem_of(response, 400)["errors"]) == {name}


# --- logs.txt -----------------------------------------------------------------------

TEXT = "Executing: ./match\nGrüße, 世界\n100% DONE\n\nDone.\n"


def test_the_whole_log_can_be_downloaded(program, task):
    response = program.get(f"/api/tasks/{task.pk}/logs.txt")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    name = f"check-integrity-v885-{str(task.pk)[:8]}.log"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.streaming
    assert response.getvalue().decode() == TEXT


def test_the_file_name_holds_nothing_dangerous(program):
    task = TaskFactory(version='../x"\r\n', status="completed")
    response = program.get(f"/api/tasks/{task.pk}/logs.txt")
    assert (
        f'"check-integrity-.._x_-{str(task.pk)[:8]}.log"'
        in (response["Content-Disposition"])
    )


def test_a_task_without_lines_is_an_empty_file(program):
    response = program.get(f"/api/tasks/{TaskFactory(version='').pk}/logs.txt")
    assert response.getvalue() == b""


@pytest.mark.django_db(transaction=True)
def test_an_asgi_server_gets_it_without_a_warning(task):
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    response = log_download(ASGIRequest(scope, None), task)
    assert response.is_async

    @async_to_sync
    async def read():
        return b"".join([chunk async for chunk in response])

    assert read().decode() == TEXT
