"""GET /api/tasks/{id}/logs and /api/tasks/{id}/logs.txt."""

import pytest

from tasks.logs import store as log_store
from tests.factories import TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


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


def test_warnings_are_a_level_of_their_own(program, task):
    write_log(task, ("warning", "low disk"))
    assert seqs(program.get(f"/api/tasks/{task.pk}/logs?level=warning")) == [6]
    matches = program.get(f"/api/tasks/{task.pk}/logs/matches?level=warning").json()
    assert matches["ranges"] == [[6, 6]]


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


# --- Long lines ---------------------------------------------------------------------


@pytest.fixture
def short_pages(monkeypatch):
    monkeypatch.setattr(log_store, "PAGE_BYTES", 100)


@pytest.mark.parametrize("query", ["", "q=x", "level=stdout"])
def test_a_page_stops_at_so_many_bytes_and_leads_on(program, short_pages, query):
    task = TaskFactory(status="completed")
    write_log(task, *["x" * size for size in (60, 30, 30, 500, 1, 99, 100)])
    pages, after = [], 0
    while after is not None:
        response = program.get(f"/api/tasks/{task.pk}/logs?after={after}&{query}")
        pages.append(seqs(response))
        after = response.json()["next"]
    assert pages == [[1, 2], [3], [4], [5, 6], [7]]


def test_so_does_a_page_before_a_line(program, short_pages):
    task = TaskFactory(status="completed")
    write_log(task, *["x" * size for size in (60, 30, 30, 500, 1, 99, 100)])
    pages, before = [], 2**53 - 1
    while before is not None:
        response = program.get(f"/api/tasks/{task.pk}/logs?before={before}")
        pages.append(seqs(response))
        before = response.json()["previous"]
    assert pages == [[7], [5, 6], [4], [2, 3], [1]]


def test_bytes_are_counted_not_characters(program, short_pages):
    task = TaskFactory(status="completed")
    write_log(task, "版" * 20, "版" * 20)
    assert seqs(program.get(f"/api/tasks/{task.pk}/logs")) == [1]


def test_the_newest_lines_in_a_status_are_fewer_where_they_are_long(
    program, monkeypatch
):
    monkeypatch.setattr(log_store, "NEWEST_BYTES", 100)
    task = TaskFactory(status="completed")
    write_log(task, *["x" * 40] * 5)
    body = program.get(f"/api/tasks/{task.pk}/status").json()
    assert [line["seq"] for line in body["logs"]] == [4, 5]


def test_in_a_downloaded_log_each_line_is_one_line(program):
    task = TaskFactory(status="completed")
    write_log(task, ("info", "Executing: echo 'a\nb\rc'"), "d")
    response = program.get(f"/api/tasks/{task.pk}/logs.txt")
    assert response.getvalue() == b"Executing: echo 'a\\nb\\rc'\nd\n"


def test_a_long_log_is_downloaded_piece_by_piece(program, monkeypatch):
    monkeypatch.setattr(log_store, "WALK_BYTES", 100)
    task = TaskFactory(status="completed")
    write_log(task, *["x" * 60] * 5)
    response = program.get(f"/api/tasks/{task.pk}/logs.txt")
    assert [len(piece) for piece in response] == [61] * 5
