"""GET /api/tasks/{id}/log: pages of a log, by the read side of Durable Streams."""

import json
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from tasks.logs import pages
from tasks.logs import store as log_store
from tasks.models import Task
from tests.factories import TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

BEGINNING = "0" * 16


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch):
    monkeypatch.setattr(pages, "PAGE_LINES", 4)


def running(*lines):
    task = TaskFactory(status="running")
    write_log(task, *lines)
    return task


def ended(*lines):
    task = TaskFactory(status="completed")
    write_log(task, *lines)
    return task


def ask(client, task, query="", **headers):
    return client.get(f"/api/tasks/{task.pk}/log{query}", headers=headers)


def page(client, task, offset="-1"):
    answer = ask(client, task, f"?offset={offset}")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    return answer


def texts(answer):
    return [line["message"] for line in answer.json()]


def says(answer):
    """Where a reader of this answer stands, and whether anything follows."""
    names = ("Stream-Next-Offset", "Stream-Up-To-Date", "Stream-Closed")
    return tuple(answer.headers.get(name) for name in names)


def test_a_page_has_the_lines_as_they_are_listed_elsewhere(program):
    task = ended("Grüße, 世界", ("stderr", '"quoted" \u2028'), "")
    listed = program.get(f"/api/tasks/{task.pk}/logs").json()["logs"]
    assert page(program, task).json() == listed
    assert ask(program, task).json() == listed


def test_pages_lead_from_the_beginning_to_the_end_of_the_log(program):
    task = ended(*map(str, range(10)))
    offset, found = "-1", []
    while True:
        answer = page(program, task, offset)
        found += texts(answer)
        offset = answer["Stream-Next-Offset"]
        if "Stream-Closed" in answer:
            break
        assert "Stream-Up-To-Date" not in answer
    assert found == [str(number) for number in range(10)]
    assert says(answer) == ("0000000000000010", "true", "true")


def test_readers_who_began_elsewhere_meet_in_the_same_pages(program):
    task = running(*map(str, range(10)))
    answer = page(program, task, "0000000000000002")
    assert texts(answer) == ["2", "3"]
    assert answer["Stream-Next-Offset"] == "0000000000000004"


def test_offsets_sort_as_text_does():
    offsets = [pages.offset_of(seq) for seq in (0, 1, 9, 10, 999, 1000, 2**53 - 1)]
    assert all(one < two for one, two in pairwise(offsets))
    assert len({len(offset) for offset in offsets}) == 1


def test_a_full_page_may_be_kept_for_good_while_the_task_still_prints(program):
    task = running(*map(str, range(6)))
    before = page(program, task)
    assert before["Cache-Control"] == "private, max-age=86400, immutable"
    write_log(task, "more", "and more")
    after = page(program, task)
    assert (after.content, after["ETag"]) == (before.content, before["ETag"])


def test_a_page_that_grows_is_kept_for_a_second_and_changes_its_etag(program):
    task = running("one")
    before = page(program, task)
    assert before["Cache-Control"] == "private, max-age=1"
    assert says(before) == ("0000000000000001", "true", None)
    write_log(task, "two")
    after = page(program, task)
    assert texts(after) == ["one", "two"]
    assert after["ETag"] != before["ETag"]


def test_a_page_is_cut_where_its_lines_are_long_and_stays_so(program, monkeypatch):
    monkeypatch.setattr(log_store, "PAGE_BYTES", 10)
    task = running("12345", "12345", "12345")
    before = page(program, task)
    assert texts(before) == ["12345", "12345"]
    assert says(before) == ("0000000000000002", None, None)
    assert "immutable" in before["Cache-Control"]
    write_log(task, "6")
    assert page(program, task).content == before.content
    assert texts(page(program, task, "0000000000000002")) == ["12345", "6"]


def test_the_last_page_changes_its_etag_with_the_end_of_the_task(program):
    task = running("one")
    before = page(program, task)
    now = timezone.now()
    Task.objects.move(task.pk, "running", "completed", completed_at=now)
    after = page(program, task)
    assert after.content == before.content
    assert after["ETag"] != before["ETag"]
    assert says(after) == ("0000000000000001", "true", "true")
    assert "immutable" in after["Cache-Control"]


def test_who_has_a_page_already_is_told_so_without_it(program):
    task = ended("one", "two")
    etag = page(program, task)["ETag"]
    answer = ask(program, task, **{"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer["ETag"] == etag
    assert ask(program, task, **{"If-None-Match": '"other"'}).status_code == 200


def test_shared_caches_may_keep_pages_where_the_operator_says_so(program, settings):
    settings.LOG_CACHE = "public"
    assert page(program, ended("one"))["Cache-Control"].startswith("public, ")


def test_at_the_end_there_is_an_empty_page_and_whether_more_can_come(program):
    task = running("one")
    at_end = page(program, task, "0000000000000001")
    assert at_end.json() == []
    assert says(at_end) == ("0000000000000001", "true", None)
    done = ended("one")
    at_end = page(program, done, "0000000000000001")
    assert at_end.json() == []
    assert says(at_end) == ("0000000000000001", "true", "true")


def test_now_is_the_end_of_the_log_and_nobody_keeps_the_answer(program):
    task = running("one", "two")
    answer = page(program, task, "now")
    assert answer.json() == []
    assert says(answer) == ("0000000000000002", "true", None)
    assert answer["Cache-Control"] == "no-store"
    assert "ETag" not in answer


def test_a_log_without_lines_is_an_empty_page(program):
    answer = page(program, TaskFactory())
    assert answer.json() == []
    assert says(answer) == (BEGINNING, "true", None)


def test_a_head_says_where_the_log_ends(program):
    for task, closed in ((running("one"), None), (ended("one"), "true")):
        answer = program.head(f"/api/tasks/{task.pk}/log")
        assert answer.status_code == 200
        assert answer.content == b""
        assert answer["Content-Type"] == "application/json"
        assert answer["Cache-Control"] == "no-store"
        assert says(answer) == ("0000000000000001", None, closed)


@pytest.mark.parametrize(
    "query",
    [
        "?offset=",
        "?offset=1",
        "?offset=-2",
        "?offset=0,1",
        "?offset=0 1",
        "?offset=NOW",
        "?offset=00000000000000٠٠",
        f"?offset={'9' * 40}",
        f"?offset={BEGINNING}&offset={BEGINNING}",
        "?live=long-poll",
    ],
)
def test_an_offset_that_no_log_gave_is_refused(program, query):
    assert "offset" in problem_of(ask(program, running("one"), query), 400)["errors"]


def test_who_wants_a_log_live_is_asked_from_where(program):
    problem = problem_of(ask(program, running("one"), "?live=long-poll"), 400)
    assert problem["errors"] == {"offset": ["Say it, where you want it live."]}


def test_an_offset_beyond_the_end_is_refused_with_where_the_end_is(program):
    problem = problem_of(ask(program, ended("one"), "?offset=0000000000000002"), 400)
    errors = {"offset": ["This log ends at 0000000000000001."]}
    assert problem["errors"] == errors


def test_lines_that_a_crash_took_back_are_waited_for_on_postgresql(program):
    answer = ask(program, running("one"), "?offset=0000000000000002")
    if connection.vendor == "postgresql":
        assert says(answer) == ("0000000000000002", "true", None)
    else:
        problem_of(answer, 400)


def test_another_way_to_be_live_is_refused_with_those_there_are(program):
    answer = ask(program, running(), "?offset=-1&live=websocket")
    errors = {"live": ["Must be one of: long-poll, sse."]}
    assert problem_of(answer, 400)["errors"] == errors


def test_it_takes_a_key_a_task_and_only_reads(program, stranger):
    task = ended("one")
    problem_of(ask(stranger, task), 401)
    problem_of(program.get(f"/api/tasks/{'0' * 32}/log"), 404)
    for method in ("put", "post", "delete"):
        problem_of(getattr(program, method)(f"/api/tasks/{task.pk}/log"), 405)


# --- Long polls ---------------------------------------------------------------------


def poll(client, task, offset, cursor=""):
    query = f"?offset={offset}&live=long-poll"
    return ask(client, task, f"{query}&cursor={cursor}" if cursor else query)


def test_a_poll_is_answered_at_once_where_there_are_lines(program):
    answer = poll(program, running("one"), "-1")
    assert not hasattr(answer, "held")
    assert texts(answer) == ["one"]
    assert answer["Stream-Cursor"].isdecimal()
    assert "ETag" in answer


def test_a_poll_at_the_end_of_a_task_that_ended_does_not_wait(program):
    answer = poll(program, ended("one"), "0000000000000001")
    assert not hasattr(answer, "held")
    assert answer.status_code == 204
    assert says(answer) == ("0000000000000001", "true", "true")


def test_a_poll_at_the_end_waits_for_the_next_line(program):
    task = running("one")
    answer = poll(program, task, "now")
    assert answer.held.after == 1
    write_log(task, "two", "three")
    answer.held.renew(answer)
    assert answer.status_code == 200
    assert [line["message"] for line in json.loads(answer.content)] == ["two", "three"]
    assert answer["Content-Type"] == "application/json"
    assert says(answer) == ("0000000000000003", "true", None)
    assert int(answer["Content-Length"]) == len(answer.content)


def test_a_poll_in_which_nothing_comes_says_so(program):
    task = running("one")
    answer = poll(program, task, "0000000000000001", "7")
    answer.held.renew(answer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert says(answer) == ("0000000000000001", "true", None)
    assert answer["Cache-Control"] == "private, max-age=1"
    assert int(answer["Stream-Cursor"]) > 7


def test_nothing_is_kept_where_the_next_question_is_the_same(program):
    """Whoever names no cursor would have it from the cache as often as they ask."""
    answer = poll(program, running("one"), "0000000000000001")
    assert answer["Cache-Control"] == "no-store"


def test_a_poll_from_now_on_is_not_kept(program):
    task = running("one")
    answer = poll(program, task, "now", "7")
    write_log(task, "two")
    answer.held.renew(answer)
    assert [line["message"] for line in json.loads(answer.content)] == ["two"]
    assert answer["Cache-Control"] == "no-store"


def test_lines_wait_for_the_full_second_where_a_cache_is_in_front(program, settings):
    settings.LOG_CACHE = "public"
    task = running("one", "two")
    answer = poll(program, task, "0000000000000001")
    assert (answer.held.after, answer.held.every) == (1, 1)
    write_log(task, "three")
    answer.held.renew(answer)
    assert says(answer) == ("0000000000000003", "true", None)
    assert len(json.loads(answer.content)) == 2


def test_what_stays_as_it_is_waits_for_nothing(program, settings):
    settings.LOG_CACHE = "public"
    full = poll(program, running(*map(str, range(6))), "0000000000000001")
    last = poll(program, ended("one", "two"), "0000000000000001")
    for answer in (full, last):
        assert not hasattr(answer, "held")
        assert answer["Cache-Control"] == "public, max-age=86400, immutable"


def test_all_who_come_to_a_line_have_the_same_next_question(program, monkeypatch):
    """By whichever pages and polls they came to it."""
    monkeypatch.setattr(pages, "CURSOR_SECONDS", 10**9)
    task = running("one", "two", "three")
    there = poll(program, task, "0000000000000002")["Stream-Cursor"]
    behind = poll(program, task, "0000000000000001", str(int(there) - 1))
    new = page(program, task)
    assert {behind["Stream-Cursor"], new["Stream-Cursor"]} == {there}
    assert new["Stream-Next-Offset"] == behind["Stream-Next-Offset"]


def test_a_poll_ends_with_its_task(program):
    task = running("one")
    answer = poll(program, task, "0000000000000001")
    now = timezone.now()
    Task.objects.move(task.pk, "running", "cancelled", completed_at=now)
    answer.held.renew(answer)
    assert answer.status_code == 204
    assert says(answer) == ("0000000000000001", "true", "true")
    task.delete()
    answer.held.renew(answer)
    assert answer.status_code == 404


def test_a_cursor_is_never_the_one_that_was_given(program):
    """Or a cache would answer with the same nothing for ever."""
    task = running("one")
    first = poll(program, task, "-1")["Stream-Cursor"]
    for given in (first, str(int(first) + 1000)):
        found = poll(program, task, "-1", given)["Stream-Cursor"]
        assert int(found) > int(given)
    for given in ("0", "abc", "9" * 40, "-1"):
        found = poll(program, task, "-1", given)["Stream-Cursor"]
        assert int(first) <= int(found) < int(first) + 100  # the clock goes on
