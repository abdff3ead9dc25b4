"""One person asks, another one agrees, and a third sees it live."""

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

START = """async () => {
  const { post } = await import("/static/js/api.js");
  return (await post("/api/tasks/ask", {})).taskId;
}"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def person(chromium, service):
    """Opens the browser of somebody else."""
    contexts = []

    def open_as(name, **options):
        context = chromium.new_context(base_url=service.url, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(service.sign_in_link(name))
        return page

    yield open_as
    for context in contexts:
        context.close()


@pytest.fixture
def asked(person, service):
    """The page of who started it, and the task's id."""
    page = person("ana")
    task_id = page.evaluate(START)
    service.wait_for(task_id, "blocked")
    page.goto(f"/tasks/{task_id}")
    return page, task_id


def card(page):
    return page.get_by_role("region", name="Approval")


def badge(page):
    return page.locator(".task-badge .word")


def test_one_asks_another_agrees_and_a_third_sees_it_live(asked, person, service):
    ana, task_id = asked
    expect(badge(ana)).to_have_text("awaiting approval")
    expect(card(ana)).to_contain_text("Roll out 12 files?")
    expect(card(ana)).to_contain_text("another person has to decide")
    expect(card(ana).get_by_role("button")).to_have_count(0)
    expect(ana.locator(".outputs")).to_contain_text("12")

    third = person("cy")
    third.goto(f"/tasks/{task_id}")
    expect(badge(third)).to_have_text("awaiting approval")

    bob = person("bob", viewport=PHONE)
    bob.goto("/")
    row = bob.locator(f'[data-row="{task_id}"]')
    expect(row).to_contain_text("Awaiting approval by leads")
    row.get_by_role("link").first.click()
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not bob.evaluate(wide)
    card(bob).get_by_label("Comment").fill("Looks good.")
    card(bob).get_by_role("button", name="Approve").click()

    for page in (third, ana, bob):
        expect(badge(page)).to_have_text("completed")
        expect(card(page)).to_have_count(0)
        log = page.locator("ol.log")
        expect(log).to_contain_text("Approved by bob.")
        expect(log).to_contain_text("rolled out")
        expect(page.locator(".steps")).to_contain_text("approved by bob")


def test_who_rejects_says_why_to_everybody(asked, person):
    ana, task_id = asked
    bob = person("bob")
    bob.goto(f"/tasks/{task_id}")
    card(bob).get_by_label("Comment").fill("Not on a Friday.")
    card(bob).get_by_role("button", name="Reject").click()
    expect(badge(ana)).to_have_text("cancelled")
    expect(ana.locator(".task")).to_contain_text("Rejected by bob: Not on a Friday.")


def test_a_decision_that_comes_second_is_told_who_was_first(asked, person, service):
    _, task_id = asked
    bob, cy = person("bob"), person("cy")
    for page in (bob, cy):
        page.goto(f"/tasks/{task_id}")
        page.route("**/facts", lambda route: route.abort())  # the page stays as it is
        expect(card(page)).to_be_visible()
    card(bob).get_by_role("button", name="Approve").click()
    service.wait_for(task_id)
    card(cy).get_by_role("button", name="Reject").click()
    expect(cy.locator("body")).to_contain_text("bob approved it at")
