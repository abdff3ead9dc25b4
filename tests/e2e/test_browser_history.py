"""The history and the comparison of two tasks, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from .barriers import barriers

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def rows(page):
    return page.locator("form[data-compare] tr.run")


def tick(page, task_id):
    page.locator(f"input[value='{task_id}']").check()


@pytest.fixture(scope="module")
def two_runs(service):
    """A run of three numbers, and one of four."""
    ids = [service.create("count", n=n) for n in ("3", "4")]
    for task_id in ids:
        service.wait_for(task_id)
    return ids


def test_filters_apply_at_once_are_the_address_and_back_works(open_page, two_runs):
    page = open_page("/history")
    page.get_by_label("Type").select_option("count")
    page.wait_for_url("**/history?type=count")
    for row in rows(page).all():
        expect(row).to_contain_text("Count")
    page.keyboard.press("/")
    page.keyboard.type(two_runs[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/history?q={two_runs[0]}&type=count")
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("heading", name="1 task")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    expect(rows(page).nth(1)).to_be_visible()
    page.get_by_role("list", name="Active filters").get_by_text("Count").click()
    page.wait_for_url("**/history")


def test_days_are_those_of_the_readers_zone_and_the_address_says_so(
    open_page, two_runs
):
    page = open_page("/history", timezone_id="Pacific/Kiritimati")  # 14 h ahead
    today = "new Intl.DateTimeFormat('en-CA').format(new Date())"
    day = page.evaluate(today)
    expect(page.locator("[data-zone]")).to_have_text("Pacific/Kiritimati")
    expect(page.locator("[data-shown-zone='Pacific/Kiritimati']")).to_be_visible()
    page.get_by_label("From").fill(day)
    page.wait_for_url(f"**/history?from={day}&tz=Pacific%2FKiritimati")
    expect(rows(page).first).to_be_visible()
    page.get_by_label("Jump to").fill(day)
    page.wait_for_url("**/history?from=*&tz=*&on=*")
    expect(rows(page).first).to_be_visible()


def test_a_dot_says_what_it_is_and_opens_its_task_and_arrows_go_on(open_page, two_runs):
    page = open_page("/history?view=figures&type=count")
    page.get_by_text("Day by day").click()
    expect(page.get_by_role("columnheader", name="Day")).to_be_visible()
    strip = page.get_by_role("group", name="Runs of Count")
    last = strip.get_by_role("link").and_(page.locator("[tabindex='0']"))
    newest = last.get_attribute("href")
    last.focus()
    expect(page.locator(".dot-card")).to_contain_text("completed")
    page.keyboard.press("ArrowLeft")
    expect(last).not_to_have_attribute("href", newest)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{newest}")


def test_days_are_chosen_by_dragging_over_a_strip(open_page, two_runs):
    page = open_page("/history?view=figures&type=count")
    box = page.locator("[data-strip]").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=3)
    expect(page.locator(".brush")).to_be_visible()
    page.mouse.up()
    page.wait_for_url("**/history?type=count&from=*&to=*&tz=UTC&view=figures")
    expect(page.get_by_label("From")).not_to_have_value("")


def test_two_ticked_tasks_are_compared(open_page, service, two_runs):
    page = open_page("/history?type=count")
    compare = page.get_by_role("button", name="Compare selected")
    expect(compare).not_to_be_visible()
    tick(page, two_runs[1])
    expect(compare).to_be_disabled()
    tick(page, two_runs[0])
    expect(page.get_by_text("2 selected")).to_be_visible()
    compare.click()
    page.wait_for_url(f"**/compare?a={two_runs[0]}&b={two_runs[1]}")
    expect(page.get_by_role("row", name=re.compile("differs: n 3 4"))).to_be_visible()
    only_b = page.locator(".diff tr[data-side=b] .text")
    expect(only_b).to_contain_text(["Executing: seq 4", "4"])
    page.get_by_role("link", name="Swap A and B").click()
    page.wait_for_url(f"**/compare?a={two_runs[1]}&b={two_runs[0]}")


def test_of_three_ticked_tasks_there_is_no_comparison(open_page, service, two_runs):
    third = service.create("count", n="5")
    service.wait_for(third)
    page = open_page("/history?type=count")
    for task_id in (*two_runs, third):
        tick(page, task_id)
    expect(page.get_by_text("3 selected")).to_be_visible()
    expect(page.get_by_role("button", name="Compare selected")).to_be_disabled()
    ticked = page.locator("form[data-compare] input:checked")
    page.get_by_role("button", name="Clear").click()
    expect(ticked).to_have_count(0)
    expect(page.get_by_role("button", name="Clear")).not_to_be_visible()


def test_a_line_of_the_difference_leads_into_the_log(open_page, service, two_runs):
    page = open_page(f"/compare?a={two_runs[0]}&b={two_runs[1]}")
    page.locator(".diff tr[data-side=b] .seq a").first.click()
    page.wait_for_url(re.compile(rf"/tasks/{two_runs[1]}#L\d+$"))


def test_lines_that_are_the_same_open_in_place(open_page, service):
    ids = [service.create("count", n=n) for n in ("30", "31")]
    for task_id in ids:
        service.wait_for(task_id)
    page = open_page(f"/compare?a={ids[0]}&b={ids[1]}")
    gap = page.get_by_role("link", name="identical lines")
    gap.scroll_into_view_if_needed()
    before = gap.bounding_box()
    gap.click()
    expect(gap).to_have_count(0)
    expect(page).to_have_url(re.compile("open=5#line-5$"))
    opened = page.locator("#line-5")
    expect(opened).to_be_focused()
    assert abs(opened.bounding_box()["y"] - before["y"]) < 10


def test_a_rerun_leads_to_the_comparison_with_the_first(open_page, service):
    first = service.create("exit-code", code="7")
    service.wait_for(first)
    answer = service.request("POST", f"/api/tasks/{first}/rerun")
    again = answer.json()["taskId"]
    service.wait_for(again)
    page = open_page(f"/tasks/{again}")
    page.get_by_text("Details", exact=True).click()
    # Another is in the failure's card, where another test's task of the type went well.
    reruns = page.locator(f'a[href="/compare?a={first}&b={again}"]')
    reruns.and_(page.get_by_text("Compare", exact=True)).first.click()
    page.wait_for_url(f"**/compare?a={first}&b={again}")
    expect(page.get_by_text("The logs are identical.")).to_be_visible()


def test_history_and_comparison_work_without_script(open_page, two_runs):
    page = open_page("/history", java_script_enabled=False)
    page.get_by_label("Type").select_option("count")
    page.get_by_role("button", name="Filter").click()
    for task_id in two_runs:
        tick(page, task_id)
    page.get_by_role("button", name="Compare selected").click()
    expect(page.locator(".diff tr[data-side=b]").first).to_be_visible()


# --- Several at once ----------------------------------------------------------------


@pytest.fixture
def waiting(service):
    """Two tasks that wait for a third."""
    held = service.create("gate")
    service.wait_for(held, "running")
    ids = [service.create("gate") for _ in range(2)]
    yield ids
    for task_id in (*ids, held):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


QUEUED = "/history?type=gate&status=pending"


def test_all_that_filters_find_are_cancelled_by_the_keyboard(
    open_page, service, waiting
):
    page = open_page(QUEUED)
    page.get_by_role("link", name="Cancel all 2…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Several tasks")
    expect(dialog.get_by_role("heading", name="Cancel 2 tasks?")).to_be_visible()
    expect(dialog).to_contain_text("Status: ◌ queued")
    expect(dialog.get_by_text("Don't cancel")).to_be_focused()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert [service.task(one)["status"] for one in waiting] == ["pending"] * 2
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Cancelled: 2 of 2")).to_be_visible()
    assert [service.task(one)["status"] for one in waiting] == ["cancelled"] * 2
    page.keyboard.press("Escape")
    expect(page.get_by_text("No tasks match these filters.")).to_be_visible()


def test_selected_tasks_are_cancelled_on_a_phone(open_page, service, waiting):
    page = open_page(QUEUED, viewport={"width": 375, "height": 667}, has_touch=True)
    tick(page, waiting[0])
    page.get_by_role("button", name="Cancel selected…").tap()
    dialog = page.get_by_role("dialog", name="Several tasks")
    expect(dialog).to_contain_text("Those that were selected.")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    dialog.get_by_role("button", name="Cancel 1 task").tap()
    expect(dialog.get_by_role("heading", name="Cancelled: 1 of 1")).to_be_visible()
    dialog.get_by_role("link", name="Close").tap()
    expect(dialog).not_to_be_visible()
    assert [service.task(one)["status"] for one in waiting] == ["cancelled", "pending"]


def test_without_script_the_question_is_a_page(open_page, service, two_runs):
    page = open_page(f"/history?q={two_runs[0]}", java_script_enabled=False)
    page.get_by_role("link", name="Rerun all 1…").click()
    page.get_by_role("button", name="Run 1 task again").click()
    expect(page.get_by_role("heading", name="Run again: 1 of 1")).to_be_visible()


# --- On paper -----------------------------------------------------------------------


def test_printed_it_has_its_tasks_on_white_and_nothing_to_press(open_page, service):
    service.wait_for(service.create("say"))
    page = open_page("/history")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    expect(page.locator("tr.run").first).to_be_visible()
    expect(page.locator("[data-zone]")).to_be_visible()
    for part in ("header.top", ".filters", ".jump", "tr.run input", ".compare-bar"):
        expect(page.locator(part).first).to_be_hidden()
