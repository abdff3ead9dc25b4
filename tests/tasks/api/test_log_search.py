"""GET /api/tasks/{id}/logs/matches, …/logs/landmarks and …/logs/summary."""

import pytest

from tasks.logs import search as log_search
from tasks.logs import store as log_store
from tests.factories import TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def task(db):
    task = TaskFactory(status="completed", trail=[[0, 1, "match", 0, None]])
    write_log(
        task,
        ("info", "Executing: ./match"),
        ("info", "::group::Bundle 1"),
        "verified a.png",
        "Verified b.png",
        ("stderr", "100% of 世界"),
        ("info", "::endgroup::"),
        "verified c.png",
        ("error", "c.png is missing"),
        ("error", "d.png is missing"),
        ("info", "not ::group:: at all"),
    )
    return task


def found(response):
    assert response.status_code == 200, response.content
    return response.json()


@pytest.fixture
def tiny_pieces(monkeypatch):
    """Each answer looks at three lines."""
    monkeypatch.setattr(log_search, "PIECE_LINES", 3)
    monkeypatch.setattr(log_search, "LOOK_SECONDS", 0)


@pytest.mark.parametrize(
    ("query", "ranges"),
    [
        ("q=verified", [[3, 4], [7, 7]]),
        ("q=100%25", [[5, 5]]),
        ("q=世界", [[5, 5]]),
        ("q=_", []),
        ("level=stderr", [[5, 5]]),
        ("level=stdout", [[3, 4], [7, 7]]),
        ("level=stdout&q=c.png", [[7, 7]]),
        ("level=stderr,stdout", [[3, 5], [7, 7]]),
        ("q=verified&after=3", [[4, 4], [7, 7]]),
        ("", [[1, 10]]),
    ],
)
def test_a_search_says_which_lines_match(program, task, query, ranges):
    body = found(program.get(f"/api/tasks/{task.pk}/logs/matches?{query}"))
    count = sum(last - first + 1 for first, last in ranges)
    assert body == {"count": count, "ranges": ranges, "through": 10, "next": None}


def errors(program, task):
    body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks"))
    return [mark["seq"] for mark in body["landmarks"] if mark["kind"] == "error"]


def test_the_services_own_sentence_is_no_first_error(program):
    task = TaskFactory(status="failed")
    write_log(task, ("stderr", "KeyError: 'a'"), ("error", "Step “x” failed."))
    assert errors(program, task) == []
    task.result = {"success": False, "firstError": {"seq": 1, "message": "KeyError"}}
    task.save()
    assert errors(program, task) == [1]


def test_neighbours_in_two_pieces_are_one_range(program, task, monkeypatch):
    monkeypatch.setattr(log_search, "PIECE_LINES", 3)
    body = found(program.get(f"/api/tasks/{task.pk}/logs/matches?q=verified"))
    assert body["ranges"] == [[3, 4], [7, 7]]


def test_a_long_log_is_looked_through_in_several_answers(program, task, tiny_pieces):
    ranges, answers, after = [], 0, 0
    while after is not None:
        path = f"/api/tasks/{task.pk}/logs/matches?q=verified&after={after}"
        body = found(program.get(path))
        ranges += body["ranges"]
        answers, after = answers + 1, body["next"]
    assert ranges == [[3, 3], [4, 4], [7, 7]]
    assert answers == 4


def test_an_answer_holds_a_bounded_number_of_places(program, task, monkeypatch):
    monkeypatch.setattr(log_search, "PIECE_LINES", 1)
    monkeypatch.setattr(log_search, "LOOK_SECONDS", 60)
    monkeypatch.setattr(log_search, "MOST_PLACES", 2)
    body = found(program.get(f"/api/tasks/{task.pk}/logs/matches?level=stdout"))
    assert body["ranges"] == [[3, 4], [7, 7]]
    assert body["next"] == 7


def test_landmarks_are_steps_groups_and_the_first_error(program, task):
    body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks"))
    marks = [(mark["seq"], mark["kind"], mark["message"]) for mark in body["landmarks"]]
    assert marks == [
        (1, "step", "Executing: ./match"),
        (2, "group", "::group::Bundle 1"),
        (6, "endgroup", "::endgroup::"),
        (8, "error", "c.png is missing"),
    ]
    assert (body["through"], body["next"]) == (10, None)
    assert body["landmarks"][0]["timestamp"] == "2025-11-26T12:00:00.001Z"


def test_a_step_begins_where_the_trail_says_and_not_where_a_program_does(program):
    trail = [
        [0, 1, "one", 0, None],
        [2, 1, "one", 40, None],
        [4, 1, "one", 40, None],  # the same again: another attempt
        [6, 2, "two", 50, None],
        [8, 2, "two", 90, None],
        [9, 3, "three", 95, None],
    ]
    task = TaskFactory(status="failed", trail=trail)
    write_log(
        task,
        ("info", "Executing: one"),
        ("info", "Executing: what a program says"),
        ("info", "Executing: what it says behind its progress"),
        ("info", "Step “one” failed."),
        ("info", "Executing: one"),
        "…",
        ("info", "Executing: two"),
        "Executing: what it prints",
        ("info", "Executing: what it says again"),
        ("info", "A step that could not begin says no such line."),
    )
    body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks"))
    assert [mark["seq"] for mark in body["landmarks"]] == [1, 5, 7]
    after_two = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks?after=5"))
    assert [mark["seq"] for mark in after_two["landmarks"]] == [7]


def steps(program, task):
    """What landmarks say of steps and of their ends."""
    body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks"))
    keys = ("index", "name", "attempt", "exitCode", "durationMs", "hasEnded")
    return [
        tuple(mark["step"][key] for key in keys)
        for mark in body["landmarks"]
        if mark["kind"] == "step"
    ]


def test_a_landmark_says_what_came_of_its_step(program):
    trail = [
        [0, 1, "iOS manifest", 0, None],
        [1, 2, "Android manifest", 30, None],
        [2, 2, "Android manifest", 30, None],
    ]
    task = TaskFactory(status="running", trail=trail)
    write_log(task, *[("info", f"Executing: {n}") for n in range(3)])
    assert steps(program, task) == [
        (1, "iOS manifest", 1, 0, None, True),
        (2, "Android manifest", 1, None, None, True),
        (2, "Android manifest", 2, None, None, False),
    ]
    results = [(0, 161), (1, 20), (0, 34)]
    task.result = {
        "results": [{"exitCode": code, "durationMs": ms} for code, ms in results]
    }
    task.save()
    assert steps(program, task) == [
        (1, "iOS manifest", 1, 0, 161, True),
        (2, "Android manifest", 1, 1, 20, True),
        (2, "Android manifest", 2, 0, 34, True),
    ]


@pytest.mark.parametrize(
    ("count", "seqs"), [(0, []), (1, [1]), (3, [1, 2, 3]), (11, [1, 3, 6, 8, 11])]
)
def test_a_summary_has_lines_spread_evenly(program, monkeypatch, count, seqs):
    monkeypatch.setattr(log_store, "MOST_SAMPLES", 5)
    task = TaskFactory(status="completed", log_sha256="ab" * 32)
    write_log(task, *["…"] * count)
    body = found(program.get(f"/api/tasks/{task.pk}/logs/summary"))
    assert [sample["seq"] for sample in body["samples"]] == seqs
    assert (body["logCount"], body["logSha256"]) == (count, "ab" * 32)


def test_a_log_that_goes_on_has_no_digest_yet(program):
    task = TaskFactory(status="running")
    body = found(program.get(f"/api/tasks/{task.pk}/logs/summary"))
    assert body == {"logCount": 0, "logSha256": None, "samples": []}


def test_landmarks_come_in_several_answers(program, task, tiny_pieces):
    kinds, after = [], 0
    while after is not None:
        body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks?after={after}"))
        kinds += [mark["kind"] for mark in body["landmarks"]]
        after = body["next"]
    assert kinds == ["step", "group", "endgroup", "error"]


def test_a_landmarks_message_is_cut(program):
    task = TaskFactory(status="running")
    write_log(task, ("error", "x" * 5000))
    body = found(program.get(f"/api/tasks/{task.pk}/logs/landmarks"))
    assert body["landmarks"][0]["message"] == "x" * log_search.LONGEST_SHOWN


def test_a_task_without_lines_has_nothing_to_find(program):
    task = TaskFactory()
    body = found(program.get(f"/api/tasks/{task.pk}/logs/matches?q=x"))
    assert body == {"count": 0, "ranges": [], "through": 0, "next": None}


def test_other_tasks_lines_are_not_found(program, task):
    write_log(TaskFactory(), "verified")
    body = found(program.get(f"/api/tasks/{task.pk}/logs/matches?q=verified"))
    assert body["count"] == 3


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("matches", "after", "-1"),
        ("matches", "level", "debug"),
        ("matches", "q", "x" * 201),
        ("landmarks", "after", "x"),
    ],
)
def test_a_wrong_value_is_400_naming_it(program, task, path, name, value):
    response = program.get(f"/api/tasks/{task.pk}/logs/{path}", {name: value})
    assert set(problem_of(response, 400)["errors"]) == {name}


@pytest.mark.parametrize("path", ["matches", "landmarks", "summary"])
def test_a_task_that_is_not_there_is_404(program, path):
    task_id = "00000000-0000-4000-8000-000000000000"
    problem_of(program.get(f"/api/tasks/{task_id}/logs/{path}"), 404)
