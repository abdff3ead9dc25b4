"""The pages that ask before several tasks are cancelled or run again."""

import re

import pytest

from tasks.models import AuditEvent, Task
from tests.factories import TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def fields(page):
    """What the question's form sends."""
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    given = {}
    for name, value in found:
        given.setdefault(name, []).append(value)
    return given


def agreed(client, path):
    page = client.get(path)
    return client.post(path.partition("?")[0], fields(page))


def test_the_history_offers_both_where_a_filter_is_set(staff):
    for status in ("pending", "failed", "failed"):
        TaskFactory(status=status)
    assert "data-bulk>" not in staff.get("/history").text.partition("<table")[0]
    page = " ".join(staff.get("/history?type=check-integrity").text.split())
    assert 'href="/tasks/cancel?type=check-integrity" data-bulk> Cancel all 1…' in page
    assert 'href="/tasks/rerun?type=check-integrity" data-bulk> Rerun all 2…' in page
    page = staff.get("/history?status=failed").text
    assert "Cancel all" not in page
    assert "Rerun all" in page


def test_who_may_only_look_is_offered_nothing_and_refused(person):
    for _ in range(2):
        TaskFactory()
    viewer = person("viewer")
    assert "data-bulk" not in viewer.get("/history?status=pending").text.replace(
        "data-bulk-problem", ""
    )
    for act in ("cancel", "rerun"):
        assert viewer.get(f"/tasks/{act}?status=pending").status_code == 403
        body = {"status": "pending", "count": 2}
        assert viewer.post(f"/tasks/{act}", body).status_code == 403
    assert Task.objects.pending().count() == 2


def test_the_question_says_how_many_which_filter_and_what_follows(staff):
    for n in range(7):
        TaskFactory(version=f"v{n}")
    page = " ".join(
        staff.get("/tasks/cancel?status=pending&type=check-integrity").text.split()
    )
    assert "Cancel 7 tasks?" in page
    assert "Type: <strong>Check integrity</strong> ·" in page
    assert "Queued tasks leave the queue." in page
    assert "Check integrity v0" in page
    assert "Check integrity v5" not in page
    assert "and 2 more" in page
    assert Task.objects.pending().count() == 7


def test_what_was_agreed_to_is_done_and_said(staff):
    tasks = [TaskFactory() for _ in range(2)]
    answer = agreed(staff, "/tasks/cancel?status=pending")
    assert "Cancelled: 2 of 2" in answer.text
    assert 'href="/history?status=pending"' in answer.text
    assert not Task.objects.pending().exists()
    event = AuditEvent.objects.get(action="tasks.cancel")
    assert event.details == {"filter": {"status": "pending"}, "count": 2}
    answer = agreed(staff, "/tasks/rerun?status=cancelled")
    assert "Run again: 2 of 2" in answer.text
    made = Task.objects.pending().order_by("number")
    assert [task.rerun_of_id for task in made] == [task.pk for task in tasks]


def test_a_form_that_is_sent_twice_runs_everything_once(staff):
    TaskFactory(status="failed")
    given = fields(staff.get("/tasks/rerun?status=failed"))
    for _ in range(2):
        assert "Run again: 1 of 1" in staff.post("/tasks/rerun", given).text
    assert Task.objects.count() == 2


def test_of_what_was_selected_nothing_else_is_concerned(staff):
    chosen, other = TaskFactory(), TaskFactory()
    answer = agreed(staff, f"/tasks/cancel?task={chosen.pk}")
    assert "Cancelled: 1 of 1" in answer.text
    other.refresh_from_db()
    assert other.status == "pending"


def test_where_more_is_found_by_then_it_asks_again(staff):
    TaskFactory()
    given = fields(staff.get("/tasks/cancel?status=pending"))
    TaskFactory()
    answer = staff.post("/tasks/cancel", given)
    assert answer.status_code == 400
    assert "(confirmed: 1, found now: 2)" in answer.text
    assert "Cancel 2 tasks?" in answer.text
    assert Task.objects.pending().count() == 2
    assert "Cancelled: 2 of 2" in staff.post("/tasks/cancel", fields(answer)).text


def test_why_some_would_be_refused_is_said_before_and_after(staff):
    TaskFactory(type="rollback", status="failed")
    TaskFactory(status="failed")
    page = " ".join(staff.get("/tasks/rerun?status=failed").text.split())
    assert "Not 1 of them: “Roll back” asks before each start" in page
    answer = agreed(staff, "/tasks/rerun?status=failed")
    assert "Run again: 1 of 2" in answer.text
    assert "asks before each start" in answer.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "nothing is never taken for all"),
        ("?task=none", "nothing is never taken for all"),
        ("?status=odd", "Must be one of"),
        ("?from=yesterday", "Must be a day"),
    ],
)
def test_what_can_not_be_meant_is_said_and_nothing_done(staff, query, says):
    TaskFactory()
    for answer in (
        staff.get(f"/tasks/cancel{query}"),
        staff.post("/tasks/cancel", dict([query[1:].split("=")] if query else [])),
    ):
        assert answer.status_code == 400
        assert says in answer.text
        assert "data-yes" not in answer.text
    assert Task.objects.pending().count() == 1


def test_where_nothing_is_left_it_says_so(staff):
    page = staff.get("/tasks/cancel?status=pending")
    assert "There is nothing to cancel" in page.text
    assert "data-yes" not in page.text


def test_strangers_sign_in_first(stranger):
    answer = stranger.get("/tasks/cancel?status=pending")
    assert answer["Location"].startswith("/admin/login/?next=/tasks/cancel")
