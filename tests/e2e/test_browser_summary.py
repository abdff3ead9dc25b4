"""What a job writes of its task, on the task's page in a real browser: it comes while
the task runs and moves nothing, and leads once the task has completed."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from .barriers import barriers
from .conftest import watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def sums_up(service):
    """A task that writes each part of its summary when it is told to."""
    made = []

    def make(*parts):
        mark = "".join(chr(ord("a") + int(c, 16)) for c in uuid.uuid4().hex)
        task_id = service.create("sums-up", mark=mark)
        made.append(task_id)

        def tell(part):
            (service.data_dir / f"{mark}-{part}").touch()

        for part in parts:
            tell(part)
        return task_id, tell

    yield make
    for task_id in made:
        service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})
        service.wait_for(task_id)


@pytest.fixture
def done(sums_up, service):
    task_id, _ = sums_up(1, 2, 3)
    service.wait_for(task_id)
    return task_id


def summary(page):
    return page.get_by_role("region", name="Summary")


def log(page):
    return page.get_by_role("region", name="Log lines")


def tab(page, name):
    return page.get_by_role("navigation", name="Views").get_by_role("link", name=name)


def test_it_comes_while_the_task_runs_and_moves_nothing(open_page, sums_up, service):
    task_id, tell = sums_up()
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("ol.log")).to_contain_text("300")
    before = log(page).bounding_box()
    tell(1)
    expect(tab(page, "Summary")).to_be_visible()
    expect(tab(page, "Summary")).to_have_attribute("data-news", "")
    expect(tab(page, "Log")).to_have_attribute("aria-current", "true")
    expect(log(page)).to_be_visible()
    assert log(page).bounding_box() == before
    tab(page, "Summary").click()
    expect(summary(page)).to_have_text("Built")
    expect(tab(page, "Summary")).not_to_have_attribute("data-news", "")
    expect(log(page)).to_be_hidden()
    tell(2)
    expect(summary(page)).to_contain_text("See line 150")
    tell(3)
    expect(summary(page).get_by_role("row")).to_have_count(4)
    expect(watched(page)).to_have_attribute("data-status", "completed")
    expect(summary(page)).to_be_visible()


def test_a_reader_of_the_log_stays_there_when_the_task_completes(open_page, sums_up):
    task_id, tell = sums_up(1)
    page = open_page(f"/tasks/{task_id}")
    expect(tab(page, "Summary")).to_be_visible()
    for part in (2, 3):
        tell(part)
    expect(watched(page)).to_have_attribute("data-status", "completed")
    expect(summary(page)).to_be_hidden()
    expect(log(page)).to_be_visible()
    page.reload()
    expect(summary(page)).to_be_visible()
    expect(log(page)).to_be_hidden()


def test_the_address_says_which_view_is_shown(open_page, done):
    page = open_page(f"/tasks/{done}")
    expect(summary(page)).to_be_visible()
    tab(page, "Log").click()
    expect(page).to_have_url(re.compile(r"\?view=log$"))
    page.reload()
    expect(log(page)).to_be_visible()
    expect(page.locator("ol.log")).to_contain_text("Executing: ")
    page.keyboard.press("s")
    expect(summary(page)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?view=summary$"))


def test_what_leads_to_a_line_leads_to_the_log(open_page, done):
    page = open_page(f"/tasks/{done}")
    summary(page).get_by_role("link", name="line 150").click()
    expect(log(page)).to_be_visible()
    expect(page.locator("#L151")).to_be_in_viewport()
    assert page.url.endswith("#L151")
    page.keyboard.press("s")
    expect(summary(page)).to_be_visible()
    assert page.url.endswith("?view=summary")
    page.get_by_role("list", name="Steps").get_by_role("link", name="sum up").click()
    expect(log(page)).to_be_visible()
    page.goto(f"/tasks/{done}?view=summary#L100")
    expect(page.locator("#L100")).to_be_in_viewport()
    expect(summary(page)).to_be_hidden()


def test_keys_of_the_log_show_it(open_page, done):
    page = open_page(f"/tasks/{done}")
    expect(summary(page)).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search the log")).to_be_focused()
    page.keyboard.type("299")
    expect(page.locator("[data-part=found]")).to_have_text("1 of 1")


@pytest.mark.parametrize(
    ("options", "locale"),
    [
        ({"viewport": {"width": 1366, "height": 768}}, "en"),
        ({"viewport": {"width": 390, "height": 844}}, "zh-CN"),
    ],
)
def test_nobody_is_kept_out_of_a_summary(open_page, done, options, locale):
    page = open_page(f"/tasks/{done}", locale=locale, **options)
    expect(page.locator(".markdown table")).to_be_visible()
    assert barriers(page) == []
    width_used = page.evaluate("document.documentElement.scrollWidth")
    assert width_used <= options["viewport"]["width"]


def test_on_a_phone_and_on_paper_both_are_there(open_page, done):
    page = open_page(f"/tasks/{done}", viewport={"width": 390, "height": 844})
    expect(summary(page)).to_be_visible()
    expect(log(page)).to_be_visible()
    top = {
        name: place(page).bounding_box()["y"]
        for name, place in {"summary": summary, "log": log}.items()
    }
    assert top["summary"] < top["log"]
    page.set_viewport_size({"width": 1366, "height": 768})
    expect(log(page)).to_be_hidden()
    page.emulate_media(media="print")
    expect(summary(page)).to_be_visible()
    expect(page.locator("ol.log")).to_be_visible()


def test_without_script_a_link_leads_to_the_other_view(open_page, done):
    page = open_page(f"/tasks/{done}", java_script_enabled=False)
    expect(summary(page)).to_be_visible()
    tab(page, "Log").click()
    expect(page.locator("ol.log")).to_contain_text("Executing: ")
    expect(summary(page)).to_be_hidden()
