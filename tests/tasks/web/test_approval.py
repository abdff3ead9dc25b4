"""Tasks that await an approval, on pages and in the admin."""

import re

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from tasks.approvals.asking import sha256_of
from tasks.models import Approval, Task
from tests.factories import TaskFactory, UserFactory

pytestmark = pytest.mark.django_db
TYPES = """
[release]
[[release.steps]]
name = "Plan"
command = ["true"]
[[release.steps]]
name = "Agree"
approval = {by = ["leads"], not_self = true, message = "Out?"}
[[release.steps]]
name = "Roll out"
command = ["true"]
"""


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def blocked():
    task = TaskFactory(
        type="release",
        status="blocked",
        params={},
        created_by="carol",
        step_index=2,
        step_name="Agree",
        approvals_asked=1,
        keeps_lock=True,
        lock="publish",
        trail=[[0, 1, "Plan", 0], [0, 2, "Agree", 50]],
        taken_over={"results": [], "outputs": {"files": 12}},
    )
    task.approvals.create(
        step_index=2, step_name="Agree", message="Out <b>?", by=["leads"],
        not_self=True, expires_at=timezone.now(), sha256=sha256_of(task),
    )  # fmt: skip
    Approval.objects.update(expires_at=None)
    return task


def test_who_may_decide_finds_what_is_asked_and_both_answers(staff, blocked):
    page = staff.get(f"/tasks/{blocked.pk}").text
    assert "Out &lt;b&gt;?" in page
    assert 'value="approve"' in page
    assert 'value="reject"' in page
    assert blocked.approvals.get().sha256 in page
    assert "12" in page
    assert "awaiting approval" in page
    assert staff.get(f"/tasks/{blocked.pk}/facts").text.count('value="approve"') == 1


def test_who_may_not_is_told_whom_to_ask(person, blocked):
    user = UserFactory(username="bob", is_staff=True, group="viewer")
    user.groups.add(Group.objects.create(name="leads"))
    page = person("operator").get(f"/tasks/{blocked.pk}").text
    assert 'value="approve"' not in page
    assert "Ask one of them: bob." in page


def test_an_answer_is_given_on_the_page(staff, blocked):
    seen = blocked.approvals.get().sha256
    body = {"decision": "approve", "comment": "Good.", "approvedSha256": seen}
    answer = staff.post(f"/tasks/{blocked.pk}/decide", body, follow=True)
    assert "is approved." in answer.text
    blocked.refresh_from_db()
    assert (blocked.status, blocked.from_step) == ("pending", 3)
    assert blocked.approvals.get().comment == "Good."
    again = staff.post(f"/tasks/{blocked.pk}/decide", body, follow=True)
    assert "alice approved it at" in again.text


def test_an_answer_to_what_was_not_seen_counts_for_nothing(staff, blocked):
    body = {"decision": "reject", "approvedSha256": "0" * 64}
    answer = staff.post(f"/tasks/{blocked.pk}/decide", body, follow=True)
    assert "Look again." in answer.text
    blocked.refresh_from_db()
    assert blocked.status == "blocked"


def test_it_stands_first_among_what_runs_and_waits(staff, blocked):
    TaskFactory(type="release", status="running", params={}, version="v1")
    page = staff.get("/").text
    assert "Awaiting approval by leads" in page
    rows = [page.index(f'data-row="{pk}"') for pk in (blocked.pk, _running().pk)]
    assert rows == sorted(rows)
    assert str(blocked.pk) in staff.get("/history?status=blocked").text


def _running():
    return Task.objects.running().get()


def test_what_waits_for_its_lock_says_that_people_are_awaited(staff, blocked):
    other = TaskFactory(type="release", status="pending", params={}, lock="publish")
    page = staff.get(f"/tasks/{other.pk}").text
    if "no active runner" not in page:
        assert "which awaits an approval" in page


def test_time_that_it_waited_is_in_no_figure(staff):
    task = TaskFactory(type="release", status="completed", approval_ms=400)
    assert "600 ms" in staff.get(f"/tasks/{task.pk}").text


@pytest.mark.parametrize(
    ("action", "status", "question"),
    [
        ("approve_selected", "pending", "Approve these tasks?"),
        ("reject_selected", "cancelled", "Reject these tasks?"),
    ],
)
def test_the_admin_asks_and_then_decides(staff, blocked, action, status, question):
    url = "/admin/tasks/task/"
    body = {"action": action, "_selected_action": [str(blocked.pk)]}
    asked = staff.post(url, body)
    assert question in asked.text
    assert "Out &lt;b&gt;?" in asked.text
    seen = {f"seen-{blocked.pk}": blocked.approvals.get().sha256}
    staff.post(url, {**body, **seen, "sure": "yes", "comment": "Because."})
    blocked.refresh_from_db()
    assert (blocked.status, blocked.approvals.get().comment) == (status, "Because.")


def test_the_admin_s_page_of_the_task_leads_to_the_question(staff, blocked):
    page = f"/admin/tasks/task/{blocked.pk}/change/"
    buttons = re.findall(r'name="action" value="(\w+)"', staff.get(page).text)
    assert buttons == ["approve_selected", "reject_selected"]
    Task.objects.update(created_by="alice")  # who does not decide on her own
    assert "approve_selected" not in staff.get(page).text


IN_TWO_LANGUAGES = """
[release]
[release.params.version]
[[release.steps]]
name = "Plan"
command = ["true"]
[[release.steps]]
name = "Agree"
[release.steps.approval]
by = ["leads"]
message = {en = "Out with {version}?", zh-hans = "发布 {version}？"}
[[release.steps]]
name = "Roll out"
command = ["true"]
"""


@pytest.mark.parametrize(
    ("asked", "read"),
    [("Out with v885?", "发布 v885？"), ("Out with ***?", "Out with ***?")],
)
def test_what_is_asked_is_read_in_ones_own_language_unless_a_step_hid_some_of_it(
    staff, blocked, use_task_types, asked, read
):
    use_task_types(IN_TWO_LANGUAGES)
    Task.objects.update(params={"version": "v885"})
    Approval.objects.update(message=asked)
    page = staff.get(f"/tasks/{blocked.pk}", headers={"Accept-Language": "zh-Hans"})
    assert f'<p class="asks">{read}</p>' in page.text
