"""The history and the comparison of two tasks, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def rows(page):
    return page.locator("form[data-compare] tbody tr")


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
        expect(row).to_contain_text("count")
    page.keyboard.press("/")
    page.keyboard.type(two_runs[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/history?q={two_runs[0]}&type=count")
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("")
    expect(rows(page).nth(1)).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.wait_for_url("**/history")


def test_the_figures_of_one_type_are_there_day_by_day(open_page, two_runs):
    page = open_page("/history?type=count")
    expect(page.locator(".statistics tbody tr").first).to_be_visible()
    page.get_by_text("Day by day").click()
    expect(page.get_by_role("columnheader", name="Day (UTC)")).to_be_visible()


def test_two_ticked_tasks_are_compared(open_page, service, two_runs):
    page = open_page("/history?type=count")
    compare = page.get_by_role("button", name="Compare selected")
    expect(compare).to_be_disabled()
    for task_id in reversed(two_runs):
        tick(page, task_id)
    compare.click()
    page.wait_for_url(f"**/compare?a={two_runs[0]}&b={two_runs[1]}")
    expect(page.get_by_role("row", name=re.compile("differs: n 3 4"))).to_be_visible()
    only_b = page.locator(".diff tr[data-side=b] .text")
    expect(only_b).to_contain_text(["Executing: seq 4", "4"])
    page.get_by_role("link", name="Swap A and B").click()
    page.wait_for_url(f"**/compare?a={two_runs[1]}&b={two_runs[0]}")


def test_a_third_tick_takes_the_place_of_the_first(open_page, service, two_runs):
    third = service.create("count", n="5")
    service.wait_for(third)
    page = open_page("/history?type=count")
    for task_id in (*two_runs, third):
        tick(page, task_id)
    ticked = page.locator("form[data-compare] input:checked")
    expect(ticked).to_have_count(2)
    expect(page.locator(f"input[value='{two_runs[0]}']")).not_to_be_checked()


def test_a_line_of_the_difference_leads_into_the_log(open_page, service, two_runs):
    page = open_page(f"/compare?a={two_runs[0]}&b={two_runs[1]}")
    page.locator(".diff tr[data-side=b] .seq a").first.click()
    page.wait_for_url(re.compile(rf"/tasks/{two_runs[1]}#L\d+$"))


def test_a_rerun_leads_to_the_comparison_with_the_first(open_page, service):
    first = service.create("exit-code", code="7")
    service.wait_for(first)
    answer = service.request("POST", f"/api/tasks/{first}/rerun")
    again = answer.json()["taskId"]
    service.wait_for(again)
    page = open_page(f"/tasks/{again}")
    page.get_by_role("link", name="Compare").click()
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
