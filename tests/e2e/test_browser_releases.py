"""The page of releases in a real browser: kept true by itself, and the way back."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def published(service, demo):
    """The task that made v885 live everywhere; at the end v884 is again."""
    task_id = service.create("full-sync", version="v885", guard="100")
    service.wait_for(task_id)
    yield task_id
    service.wait_for(service.create("rollback", version="v884"))


@pytest.fixture
def open_releases(open_page, published):
    """Open the page, and wait until it shows that task's release: for a moment it may
    be what a test before this one published."""

    def make(**options):
        page = open_page("/releases", **options)
        for title in ("iOS", "Android"):
            newest = panel_of(page, title).locator(".ribbon > ol a").first
            expect(newest).to_have_attribute("href", f"/tasks/{published}")
        return page

    return make


def panel_of(page, title):
    heading = page.get_by_role("heading", name=title, exact=True)
    return page.locator("section.release", has=heading)


def test_a_rollback_shows_by_itself_and_another_is_one_form_away(
    open_releases, service
):
    page = open_releases(timezone_id="Asia/Shanghai")
    ios, android = panel_of(page, "iOS"), panel_of(page, "Android")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    newest = ios.locator("tbody tr").first
    short = re.compile(r"^\d\d-\d\d \d\d:\d\d$")
    expect(newest.locator("time")).to_have_text(short)
    marks = ios.locator(".ribbon-mark")
    before = marks.count()

    task_id = service.create("rollback", version="v884", platforms="ios")
    expect(ios.locator(".release-version")).to_have_text("v884")
    expect(newest).to_contain_text("Rolled back")
    expect(newest.locator("a")).to_have_attribute("href", f"/tasks/{task_id}")
    expect(marks).to_have_count(before + 1)
    expect(android.locator(".release-version")).to_have_text("v885")

    card = page.locator(".ribbon-card")
    marks.last.locator(".ribbon-target").hover()
    expect(card).to_contain_text("v884")
    expect(card).to_contain_text("Rolled back")
    page.mouse.move(1, 1)
    expect(card).to_have_count(0)

    android.get_by_role("link", name="Roll back to v884…").click()
    form = page.locator("form[data-launch=rollback]")
    expect(form.locator("[name=version]")).to_have_value("v884")
    expect(form.locator("[name=platforms]")).to_have_value("android")


def test_days_begin_at_the_readers_midnight(open_page, demo):
    page = open_page("/releases", timezone_id="Asia/Shanghai")
    ribbon = panel_of(page, "iOS").locator("[data-ribbon]")
    hours = ribbon.evaluate(
        """ribbon => {
          const { since, until } = ribbon.dataset;
          return [...ribbon.querySelectorAll("[data-day]")].map((tick) => {
            const share = parseFloat(tick.getAttribute("x")) / 100;
            const at = new Date(Number(since) + share * (until - since));
            return Math.round((at - new Date(`${tick.dataset.day}T00:00Z`)) / 3.6e6);
          });
        }"""
    )
    assert set(hours) == {-8}


def test_a_segment_leads_to_the_task_that_published_it(open_releases, service):
    page = open_releases()
    ios = panel_of(page, "iOS")
    link = ios.locator(".ribbon > ol a").first
    href = link.get_attribute("href")
    live = ios.locator(".ribbon-segment[data-tone=live]")
    card = page.locator(".ribbon-card")

    link.focus()
    expect(card).to_contain_text("v885")
    expect(card).to_contain_text("key in API_KEY")
    expect(live).to_have_attribute("data-pointed", "")
    page.keyboard.press("Tab")
    expect(live).not_to_have_attribute("data-pointed", "")
    live.click()
    expect(page).to_have_url(service.url + href)


def test_a_card_stays_while_other_releases_change(open_releases, service):
    page = open_releases()
    ios, android = panel_of(page, "iOS"), panel_of(page, "Android")
    ios.locator(".ribbon-segment[data-tone=live]").hover()
    page.locator(".ribbon-card").evaluate("card => { card.id = 'the-first'; }")
    service.create("rollback", version="v884", platforms="android")
    expect(android.locator(".release-version")).to_have_text("v884")
    expect(page.locator(".ribbon-card#the-first")).to_contain_text("v885")


def test_a_card_and_the_focus_stay_with_a_segment_that_is_drawn_anew(
    open_releases, service
):
    page = open_releases()
    ios = panel_of(page, "iOS")
    link = ios.locator(".ribbon > ol a").first
    href = link.get_attribute("href")
    link.focus()
    card = page.locator(".ribbon-card")
    expect(card.locator(".said-live")).to_have_count(1)
    service.create("rollback", version="v884", platforms="ios")
    expect(ios.locator(".release-version")).to_have_text("v884")
    expect(card).to_contain_text("v885")
    expect(card.locator(".said-live")).to_have_count(0)
    # Two links lead to that task.
    expect(ios.locator(".ribbon > ol a:focus")).to_have_attribute("href", href)


def test_a_pointer_that_rests_holds_nothing_up(open_releases, service):
    page = open_releases()
    ios = panel_of(page, "iOS")
    ios.locator(".ribbon-segment[data-tone=live]").hover()
    card = page.locator(".ribbon-card")
    expect(card).to_contain_text("v885")
    service.create("rollback", version="v884", platforms="ios")
    expect(ios.locator(".release-version")).to_have_text("v884")
    # What is live now lies where that was.
    expect(card).to_contain_text("v884")
    expect(card.locator(".said-live")).to_have_count(1)


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_two_versions_of_a_ribbon_are_compared(open_page, service, published, by):
    # Each by a task, as the keyboard takes them.
    service.wait_for(service.create("rollback", version="v884"))
    service.wait_for(service.create("full-sync", version="v885", guard="100"))
    page = open_page("/releases")
    ios = panel_of(page, "iOS")
    picked = ios.locator(".ribbon-segment[data-picked]")
    live = ios.locator(".ribbon-segment[data-tone=live]")
    expect(live).to_have_attribute("data-version", "v885")

    def choose(version):
        if by == "keyboard":
            links = ios.locator(".ribbon > ol a", has_text=version)
            links.first.press("Shift+Enter")
            return
        segments = ios.locator(f".ribbon-segment[data-version={version}]")
        segment = live if version == "v885" else segments.first
        segment.dispatch_event("click", {"shiftKey": True})

    choose("v885")
    expect(picked).to_have_count(1)
    choose("v885")  # once more lets go of it
    expect(picked).to_have_count(0)
    choose("v885")
    page.keyboard.press("Escape")
    expect(picked).to_have_count(0)
    choose("v885")
    expect(page.locator("#announcer")).to_contain_text("compare it with v885")
    choose("v884")
    heading = page.get_by_role("heading", name="Changes on iOS")
    expect(heading).to_contain_text("v884 → v885")
