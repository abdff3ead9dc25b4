"""Two people at one task, each in a browser of their own."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

# What a page does each ten seconds, and when somebody comes back to it.
SAY = "document.dispatchEvent(new Event('visibilitychange'))"
# The line at the top of what is shown around line 1,200.
AROUND_1200 = re.compile(r"line 1,[12]\d\d")
SCROLLED = "document.querySelector('.log-scroll').scrollTop"


@pytest.fixture
def task(service):
    task_id = service.create("count", n="2000")
    service.wait_for(task_id)
    return f"/tasks/{task_id}"


@pytest.fixture
def li(chromium, service):
    """The browser of somebody else."""
    context = chromium.new_context(base_url=service.url)
    context.set_default_timeout(PATIENCE_MS)
    context.new_page().goto(service.sign_in_link("li.wei"))
    yield context
    context.close()


@pytest.fixture
def ana(open_page, task):
    page = open_page(task)
    expect(page.locator("#L20")).to_be_visible()
    return page


@pytest.fixture
def li_at_1200(li, task, ana):
    """Both are there, and know it."""
    page = li.new_page()
    page.goto(f"{task}#L1200")
    expect(page.locator("#L1200")).to_be_in_viewport()
    expect(chip(page, "admin")).to_be_visible()
    page.evaluate(SAY)  # by now it shows those lines
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_contain_text(AROUND_1200)
    return page


def chip(page, name):
    return page.locator(".people .person", has_text=name)


def test_two_people_see_where_the_other_is_and_get_there_by_a_click(ana, li_at_1200):
    assert ana.evaluate(SCROLLED) == 0
    chip(ana, "li.wei").click()
    expect(ana.locator("#L1200")).to_be_in_viewport()
    ana.evaluate(SAY)
    li_at_1200.evaluate(SAY)
    expect(chip(li_at_1200, "admin")).to_contain_text(AROUND_1200)


def test_who_closes_the_page_is_gone_within_a_minute(ana, li_at_1200):
    li_at_1200.close()
    expect(chip(ana, "li.wei")).to_have_count(0, timeout=60_000)


def test_lines_are_shown_to_others_who_go_there_when_they_like(ana, li_at_1200):
    li_at_1200.locator("#L1204 a.n").click()
    li_at_1200.locator("#L1210 a.n").click(modifiers=["Shift"])
    li_at_1200.get_by_role("button", name="Look here").click()
    told = li_at_1200.locator("[data-part=chosen-lines]")
    expect(told).to_have_text("1 person was asked to look here.")

    note = ana.locator(".look")
    expect(note).to_have_text("li.wei: look at lines 1,204–1,210")
    expect(ana.locator("#announcer")).to_have_text("li.wei: look at lines 1,204–1,210")
    assert ana.evaluate(SCROLLED) == 0
    note.get_by_role("button", name="Dismiss").click()
    expect(note).to_be_hidden()
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_be_visible()
    expect(note).to_be_hidden()  # it was of those lines

    li_at_1200.locator("#L1208 a.n").click()
    li_at_1200.get_by_role("button", name="Look here").click()
    note.get_by_role("link", name="li.wei: look at line 1,208").click()
    expect(ana.locator("#L1208.chosen")).to_be_in_viewport()
    expect(note).to_be_hidden()


def test_who_is_alone_can_show_nothing_to_nobody(ana):
    ana.locator("#L3 a.n").click()
    expect(ana.get_by_role("button", name="Copy link")).to_be_visible()
    expect(ana.get_by_role("button", name="Look here")).to_be_hidden()
    expect(ana.locator(".people")).to_be_hidden()


def test_a_page_that_nobody_sees_says_nothing(ana, service, task):
    ana.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
    )
    said = []
    ana.on("request", lambda request: said.append(request.url))
    ana.evaluate(SAY)
    ana.evaluate("fetch('/live')")
    assert not [url for url in said if "presence" in url]


def test_when_the_server_does_not_answer_nobody_is_said_to_be_there(ana, li_at_1200):
    ana.route("**/presence", lambda route: route.abort())
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_have_count(0)
    ana.unroute("**/presence")
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_be_visible()


def test_of_two_windows_the_one_that_had_the_focus_last_says_the_lines(
    ana, li_at_1200, task
):
    page = li_at_1200.context.new_page()
    page.goto(f"{task}#L20")
    expect(page.locator("#L20")).to_be_in_viewport()
    # Both say it again and again; now the second one is in front.
    for each in (page, li_at_1200):
        each.evaluate(SAY)
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_contain_text(re.compile(r"line \d\d?$"))
    # As a browser tells a window that is clicked; here all have the focus.
    li_at_1200.evaluate("dispatchEvent(new Event('focus'))")
    page.evaluate(SAY)
    ana.evaluate(SAY)
    expect(chip(ana, "li.wei")).to_contain_text(AROUND_1200)
