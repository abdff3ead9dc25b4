"""Schedules, pauses and freezes in a real browser: made, asked about, and kept true."""

import re

import pytest
from playwright.sync_api import expect

from .barriers import barriers

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

# What a page does when somebody comes back to it.
COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"
ALL_GONE = """
from tasks.models import Freeze, QueuePause, Schedule
for model in (Freeze, QueuePause, Schedule):
    model.objects.all().delete()
"""
MADE = """
from tasks.access.actor import Actor
from tasks.models import Schedule
from tasks.schedules import acts
schedule = Schedule(
    name="yearly", type="ticks", cron="0 3 1 1 *", timezone="Asia/Shanghai"
)
acts.make(schedule, Actor("ana"))
print(schedule.pk)
"""


@pytest.fixture(autouse=True)
def _nothing_stays(service):
    yield
    service.manage("shell", "-v0", "-c", ALL_GONE)


@pytest.fixture
def yearly(service):
    """The id of a schedule that is not due while a test runs."""
    return service.manage("shell", "-v0", "-c", MADE).stdout.split()[-1]


def card(page, name):
    return page.get_by_role("article", name=name)


def freeze_ticks(service, **more):
    body = {"types": ["ticks"], "until": "2090-01-01T00:00:00Z", **more}
    answer = service.request("POST", "/api/freezes", json={"reason": "Friday", **body})
    assert answer.status_code == 201, answer.text


def test_somebody_makes_a_schedule_changes_it_and_deletes_it(open_page, service):
    page = open_page("/schedules", timezone_id="America/New_York")
    expect(
        page.get_by_role("heading", name="Nothing starts by itself yet")
    ).to_be_visible()
    page.locator("main").get_by_role("link", name="New schedule").first.click()
    page.get_by_label("Name").fill("morning-ticks")
    page.get_by_label("Type").select_option("ticks")
    page.get_by_label("Cron").fill("0 25 * * *")
    page.get_by_label("Time zone").fill("Asia/Shanghi")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main")).to_contain_text("The hour “25” is none")
    expect(page.locator("main")).to_contain_text("Did you mean Asia/Shanghai")
    page.get_by_label("Cron").fill("0 9 * * *")
    page.get_by_label("Time zone").fill("Asia/Shanghai")
    page.get_by_role("button", name="Save", exact=True).click()

    made = card(page, "morning-ticks")
    expect(made).to_contain_text("every day at 09:00")
    runs = made.locator(".moments").first.locator("li")
    expect(runs).to_have_count(5)
    for run in runs.all():
        # 13 hours apart in winter, 12 in summer: the evening before.
        expect(run).to_contain_text(
            re.compile(r"2[01]:00\s+\w+ \d+ \w+ 09:00 Asia/Shanghai")
        )

    made.get_by_role("link", name="Change morning-ticks").click()
    page.get_by_label("Cron").fill("30 9 * * *")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(card(page, "morning-ticks")).to_contain_text("every day at 09:30")

    card(page, "morning-ticks").get_by_role("link", name="Delete morning-ticks").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page).to_have_url(service.url + "/schedules")
    expect(card(page, "morning-ticks")).to_have_count(0)


def test_a_schedule_is_paused_and_resumed_by_keyboard(open_page, yearly):
    page = open_page("/schedules")
    page.get_by_role("link", name="Pause yearly").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Pause yearly?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("link", name="Pause yearly")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(card(page, "yearly")).to_contain_text("paused by admin")
    expect(card(page, "yearly")).to_contain_text("None while it is paused.")
    page.get_by_role("link", name="Resume yearly").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(card(page, "yearly")).not_to_contain_text("paused by")


def test_what_others_do_shows_without_a_reload(open_page, service, yearly):
    page = open_page("/schedules")
    page.evaluate("window.isTheSame = true")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    path = f"/api/schedules/{yearly}"
    task_id = service.request("POST", f"{path}/run-now").json()["taskId"]
    service.wait_for(task_id)
    link = card(page, "yearly").locator(f'a[href="/tasks/{task_id}"]')
    expect(link).to_be_visible()
    expect(card(page, "yearly").locator(".runs")).to_contain_text("completed")
    service.request("POST", f"{path}/pause")
    page.evaluate(COME_BACK)
    expect(card(page, "yearly")).to_contain_text("paused by key in API_KEY")
    assert page.evaluate("window.isTheSame")


def test_run_now_in_a_freeze_takes_a_reason(open_page, service, yearly):
    freeze_ticks(service)
    page = open_page("/schedules", timezone_id="Asia/Shanghai")
    expect(page.locator(".queue-note")).to_contain_text("Frozen: ticks Friday")
    page.get_by_role("link", name="Run yearly now").click()
    dialog = page.get_by_role("dialog", name="Run yearly now?")
    expect(dialog).to_contain_text("until 2090-01-01 08:00")  # here, not in UTC
    dialog.get_by_role("button", name="Run now").click()
    reason = dialog.get_by_label("Start it all the same, because")
    expect(reason).to_be_focused()
    expect(dialog).to_contain_text("Give the reason.")
    assert barriers(page) == []
    reason.fill("Players are waiting")
    dialog.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/tasks/*")
    expect(page.locator(".origin")).to_contain_text("schedule yearly")
    page.get_by_role("link", name="schedule yearly").click()
    expect(page).to_have_url(f"{service.url}/schedules#schedule-{yearly}")


def test_the_queue_is_paused_and_resumed_for_one_type(open_page, service):
    page = open_page("/queue")
    page.get_by_role("link", name="Pause the queue…").click()
    dialog = page.get_by_role("dialog", name="Pause the queue?")
    dialog.get_by_label("What is paused").select_option("ticks")
    dialog.get_by_label("Reason").fill("The store is being moved")
    dialog.get_by_role("button", name="Pause").click()
    said = "Ticks is paused by admin. What runs goes on."
    expect(page.locator("#pauses")).to_contain_text(said)
    task_id = service.create("ticks")
    page.goto("/")
    note = page.locator(".queue-note")
    expect(note).to_contain_text(said)
    note.get_by_role("link", name="Pauses and freezes").click()
    expect(page).to_have_url(service.url + "/queue")
    page.locator("#pauses").get_by_role("button", name="Resume").click()
    expect(page).to_have_url(service.url + "/queue")
    expect(page.locator("#pauses")).to_contain_text("Nothing is paused.")
    assert service.wait_for(task_id)["status"] == "completed"


def test_types_are_frozen_and_thawed(open_page, service):
    page = open_page("/queue", timezone_id="Asia/Shanghai")
    page.get_by_role("link", name="Freeze…").click()
    dialog = page.get_by_role("dialog", name="Freeze task types?")
    dialog.get_by_label("Types").fill("tick-tock")
    dialog.get_by_label("Until").fill("2090-01-01T08:00")
    dialog.get_by_label("Reason").fill("Nobody releases on Fridays")
    dialog.get_by_role("button", name="Freeze").click()
    expect(dialog).to_contain_text("No task type is called “tick-tock”")
    expect(dialog.get_by_label("Types")).to_be_focused()
    expect(dialog.get_by_label("Reason")).to_have_value("Nobody releases on Fridays")
    dialog.get_by_label("Types").fill("tick*")
    dialog.get_by_role("button", name="Freeze").click()
    row = page.locator(".freezes li", has_text="Nobody releases on Fridays")
    expect(row).to_contain_text("2090-01-01 08:00")
    expect(row).to_contain_text("holds now")
    refused = service.request("POST", "/api/tasks/ticks", json={})
    assert refused.json()["until"] == "2090-01-01T00:00:00.000Z"
    row.get_by_role("link", name="Lift…").click()
    page.get_by_role("dialog").get_by_role("button", name="Lift").click()
    expect(row).to_have_count(0)
    assert service.request("POST", "/api/tasks/ticks", json={}).status_code == 202


@pytest.mark.parametrize("width", [390, 820, 1101])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_account_is_one_click_away_on_every_screen(
    open_page, service, width, locale
):
    page = open_page("/", locale=locale, viewport={"width": width, "height": 800})
    link = page.locator("a.user")
    expect(link).to_be_in_viewport()
    tops = page.locator(".tools > :visible").evaluate_all(
        "places => places.map((place) => place.getBoundingClientRect().top)"
    )
    assert max(tops) - min(tops) < 20, "the head of the page has broken into two lines"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    link.click()
    expect(page).to_have_url(service.url + "/account")


def find(page, words, found):
    """Follow what the palette finds first."""
    expect(page.locator("[data-palette]")).to_be_visible()  # by now it hears the keys
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Quick find").fill(words)
    expect(page.locator("#palette-list [role=option]").first).to_contain_text(found)
    page.keyboard.press("Enter")


def test_the_palette_leads_to_a_schedule_and_to_a_freeze(open_page, service, yearly):
    page = open_page("/")
    find(page, "yearly", "Schedule yearly")
    expect(page).to_have_url(f"{service.url}/schedules#schedule-{yearly}")
    find(page, "freeze…", "Freeze…")
    expect(page).to_have_url(f"{service.url}/queue/freeze")


def test_without_script_each_question_is_a_page(open_page, service, yearly):
    page = open_page("/schedules", java_script_enabled=False)
    page.get_by_role("link", name="Pause yearly").click()
    expect(page).to_have_url(f"{service.url}/schedules/{yearly}/pause")
    page.get_by_role("button", name="Pause").click()
    expect(card(page, "yearly")).to_contain_text("paused by admin")
