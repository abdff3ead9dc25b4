"""A Friday evening, as a team lives it: a freeze, a start that is refused, one with a
reason that goes ahead, a second person who agrees, a step that fails, which the group
chat hears of, and the rest of it from there."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.tasks.notify.receiver import Receiver, chat_answer
from tests.waiting import wait_until

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

OPERATOR = """
from django.contrib.auth.models import Group, User
from tasks.access.sign_in import sign_in_link
user = User.objects.create(username={name!r}, is_staff=True, password="!")
for group in {groups!r}:
    user.groups.add(Group.objects.get_or_create(name=group)[0])
print(sign_in_link(user, {url!r}))
"""
RELEASE = "/?type=release-friday&version=v885"


@pytest.fixture
def service(new_service):
    service = new_service(WEBHOOK_ALLOW="127.0.0.0/8")
    service.prepare()
    return service.run()


@pytest.fixture
def chat(service):
    """A group chat that hears of failures."""
    receiver = Receiver(chat_answer(errcode=0, errmsg="ok"))
    given = {"url": receiver.url, "format": "wecom", "events": ["task.failed"]}
    made = service.request("POST", "/api/webhooks", json=given)
    assert made.status_code == 201, made.text
    yield receiver
    receiver.close()


@pytest.fixture
def at(chromium, service):
    """Opens a browser for somebody who comes by a one-time link."""
    contexts = []

    def open_browser(link):
        context = chromium.new_context(base_url=service.url, timezone_id="UTC")
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(link)
        return page

    yield open_browser
    for context in contexts:
        context.close()


@pytest.fixture
def ana(at, service):
    """She is an admin."""
    return at(service.sign_in_link("ana"))


def operator(service, name, *groups):
    """Make somebody who starts what everybody may; returns the way in."""
    groups = ["operator", *groups]
    code = OPERATOR.format(url=service.url, name=name, groups=groups)
    said = service.manage("shell", "-v0", "-c", code).stdout
    return said.strip().splitlines()[-1]


@pytest.fixture
def oli(at, service):
    return at(operator(service, "oli"))


@pytest.fixture
def lea(at, service):
    """She leads the team."""
    return at(operator(service, "lea", "leads"))


def tasks(service):
    path = "/api/tasks?type=release-friday"
    return service.request("GET", path).json()["tasks"]


def test_a_friday_evening(ana, oli, lea, chat, service):
    freeze_until_monday(ana)
    oli_is_refused_with_the_reason(oli, service)
    task_id = ana_goes_ahead_with_a_reason(ana, service)
    ana_can_not_approve_her_own(ana)
    lea_approves_what_she_saw(lea, task_id)
    step_three_fails(ana, service, task_id)
    the_chat_hears_of_it_once_with_the_first_error(chat, task_id)
    second_id = ana_reruns_from_step_three(ana, service, task_id)
    the_audit_trail_has_both_reasons(ana, task_id, second_id)


def freeze_until_monday(ana):
    monday = datetime.now(UTC) + timedelta(days=3)
    ana.goto("/queue")
    ana.get_by_role("link", name="Freeze…").click()
    question = ana.get_by_role("dialog", name="Freeze task types?")
    question.get_by_label("Types").fill("release-*")
    question.get_by_label("Until").fill(f"{monday:%Y-%m-%d}T08:00")
    question.get_by_label("Reason").fill("Nobody releases over the weekend")
    question.get_by_role("button", name="Freeze").click()
    row = ana.locator(".freezes li", has_text="Nobody releases over the weekend")
    expect(row).to_contain_text("holds now")
    expect(row).to_contain_text("Friday's release")


def oli_is_refused_with_the_reason(oli, service):
    oli.goto(RELEASE)
    form = oli.locator("form[data-launch=release-friday]")
    expect(form).to_contain_text("Frozen: nothing of this type is started now.")
    expect(form).to_contain_text("Nobody releases over the weekend (ana)")
    expect(form.get_by_label("Start it all the same, because")).to_have_count(0)
    form.get_by_role("button", name="Start Friday's release").click()
    expect(form).to_contain_text(re.compile("is frozen until .* Nobody releases over"))
    assert tasks(service) == []


def ana_goes_ahead_with_a_reason(ana, service):
    ana.goto(RELEASE)
    form = ana.locator("form[data-launch=release-friday]")
    form.get_by_label("Start it all the same, because").fill("Players can't sign in")
    form.get_by_role("button", name="Start Friday's release").click()
    ana.wait_for_url("**/tasks/*")
    (task,) = tasks(service)
    return task["id"]


def approval(page):
    return page.get_by_role("region", name="Approval")


def ana_can_not_approve_her_own(ana):
    expect(approval(ana)).to_contain_text("Announce v885 to all players?")
    expect(approval(ana)).to_contain_text("another person has to decide")
    expect(approval(ana).get_by_role("button")).to_have_count(0)


def lea_approves_what_she_saw(lea, task_id):
    lea.goto(f"/tasks/{task_id}")
    expect(lea.locator(".outputs")).to_contain_text("v885")
    approval(lea).get_by_label("Comment").fill("Players wait.")
    approval(lea).get_by_role("button", name="Approve").click()
    expect(lea.locator("ol.log")).to_contain_text("Approved by lea")


def the_chat_hears_of_it_once_with_the_first_error(chat, task_id):
    wait_until(lambda: chat.received, "the message")
    (body,) = chat.bodies()
    content = body["markdown"]["content"]
    assert "the announcement server refuses" in content
    assert f"/tasks/{task_id}#L" in content


def step_three_fails(ana, service, task_id):
    task = service.wait_for(task_id)
    codes = [step.get("exitCode") for step in task["result"]["results"]]
    assert (codes[0], codes[-1], len(codes)) == (0, 3, 3)
    expect(ana.locator("[data-task]")).to_contain_text(
        "the announcement server refuses"
    )


def ana_reruns_from_step_three(ana, service, task_id):
    (service.data_dir / "mended").touch()
    ana.goto(f"/tasks/{task_id}")
    ana.get_by_role("link", name="Rerun from step 3").click()
    expect(ana.locator("main")).to_contain_text("It starts at step 3")
    ana.get_by_role("button", name="Run again").click()
    expect(ana.locator("main")).to_contain_text("Give the reason.")
    ana.get_by_label("Start it all the same, because").fill("Half of it is out")
    ana.get_by_role("button", name="Run again").click()
    ana.wait_for_url(lambda url: "/tasks/" in url and task_id not in url)
    (second,) = [task for task in tasks(service) if task["rerunOf"] == task_id]
    done = service.wait_for(second["id"], "completed")
    assert done["result"]["outputs"] == {
        "published": "v885"
    }  # taken over from the first
    published = (service.data_dir / "published").read_text().splitlines()
    assert published == ["published v885"]  # once
    return second["id"]


def the_audit_trail_has_both_reasons(ana, first_id, second_id):
    reasons = {first_id: "Players can't sign in", second_id: "Half of it is out"}
    for task_id, reason in reasons.items():
        ana.goto(f"/admin/tasks/auditevent/?q={task_id}")
        ana.locator("#result_list tbody th a").last.click()  # the start
        expect(ana.locator("#content")).to_contain_text(reason)
        expect(ana.locator("#content")).to_contain_text("Nobody releases over")
