"""That nobody is kept out of a page: by its markup, its colours, a mouse, a narrow
screen, or a language. A violation of the content security policy or an error in the
console fails each of these, too (open_page)."""

import re

import pytest
from playwright.sync_api import expect

from .barriers import barriers

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

LIVE = re.compile("/live/(console|releases|schedules|queue)")

PAGES = {
    "console": "/?type=rollback",
    "filtered": "/?recent-q=nothing-like-it",
    "releases": "/releases?platform=ios&from=v884&to=v885",
    "history": "/history",
    "one type": "/history?type=count&status=broken",
    "figures": "/history?view=figures",
    "comparison": "/compare?a={a}&b={b}",
    "nothing to compare": "/compare",
    "schedules": "/schedules",
    "pauses and freezes": "/queue",
    "a freeze": "/queue/freeze",
    "a pause": "/queue/pause",
    "an account": "/account",
    "a second factor": "/account/second-factor",
    "several tasks": "/tasks/cancel?type=gate",
}
THE_SAME = {
    "nightly-ticks",
    "admin",
    "A",
    "B",
    "P95",
    "iOS",
    "Android",
    "Facebook",
}  # in both languages
# A schedule that keeps failing, one that is paused, a pause, and a freeze to come; none
# of them is of a type that other tests start.
MADE = """
from datetime import timedelta
from django.utils import timezone
from tasks.access.actor import Actor
from tasks.models import Schedule
from tasks.queue.freezes import freeze
from tasks.queue.pauses import pause
from tasks.schedules import acts
ana, now = Actor("ana"), timezone.now()
fields = {"type": "ticks", "cron": "0 3 1 1 *", "timezone": "Asia/Shanghai"}
for name, failures in (("夜间检查", 3), ("nightly-ticks", 0)):
    schedule = Schedule(name=name, failures=failures, **fields)
    acts.make(schedule, ana)
    run = {"reason": {"code": "schedule-missed", "params": {}}, "outcome": "missed"}
    schedule.runs.create(due_at=now - timedelta(days=1), **run)
acts.pause(schedule, ana)
pause("ticks", "The store is being moved", ana)
days = [now + timedelta(days=day) for day in (300, 301)]
freeze(["ticks"], *days, "Nobody ticks then", ana)
"""
TAKEN_BACK = """
from tasks.models import Freeze, QueuePause, Schedule
for model in (Freeze, QueuePause, Schedule):
    model.objects.all().delete()
"""
pages = pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())


@pytest.fixture(scope="module")
def tasks(service, demo):
    """Ended, failed, running and waiting ones, so that each kind of row is there."""
    ended = [service.create("count", n=n) for n in ("3", "30")]
    ended.append(service.create("exit-code", code="7"))
    for task_id in ended:
        service.wait_for(task_id)
    held = [service.create("gate")]
    service.wait_for(held[0], "running")
    held.append(service.create("gate"))
    service.manage("shell", "-v0", "-c", MADE)
    yield dict(zip("ab", ended, strict=False))
    for task_id in reversed(held):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)
    service.manage("shell", "-v0", "-c", TAKEN_BACK)


@pytest.fixture
def visit(open_page, tasks):
    def visit(path, **options):
        page = open_page("about:blank", **options)
        answer = page.goto(path.format(**tasks))
        assert answer.status == 200
        return page

    return visit


@pages
def test_axe_finds_nothing_serious(visit, path):
    page = visit(path)
    expect(page.locator("main")).to_be_visible()
    for details in page.locator("summary").all():
        details.click()
    assert barriers(page) == []


@pages
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_narrow_page_does_not_scroll_sideways(visit, path, locale):
    page = visit(path, locale=locale, viewport={"width": 390, "height": 844})
    expect(page.locator("main")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pages
def test_everything_has_its_chinese(visit, path):
    page = visit(path, locale="zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    headings = page.locator("main :is(h1, h2, th[scope=col], label, button):visible")
    for words in headings.all_text_contents():
        assert (
            not words.strip()
            or any("\u4e00" <= letter <= "\u9fff" for letter in words)
            or words.strip() in THE_SAME
        ), words


@pages
def test_every_place_is_reached_by_the_tab_key_and_seen(visit, path):
    page = visit(path)
    # What others start meanwhile would put new rows in place of those that were seen.
    page.context.route(LIVE, lambda route: route.abort())
    page.reload()
    wanted = page.evaluate(
        """() => (window.wanted = [
            ...document.querySelectorAll('a, button, input, select, summary')
          ].filter(place => place.checkVisibility({ visibilityProperty: true })
            && !place.disabled && place.type !== 'hidden'
            && place.tabIndex >= 0)).length"""  # arrows go on from dot to dot
    )
    assert wanted
    outlined = """() => {
      const place = document.activeElement;
      place.dataset.seen = 'yes';
      const { outlineStyle, outlineWidth } = getComputedStyle(place);
      return place === document.body
        || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1);
    }"""
    unseen = """() => window.wanted.filter(place => !place.dataset.seen)
      .map(place => place.outerHTML)"""
    # A date has four places, and what scrolls is one, too.
    for _ in range(4 * wanted):
        page.keyboard.press("Tab")
        assert page.evaluate(outlined), page.evaluate(
            "document.activeElement.outerHTML"
        )
        if not page.evaluate(unseen):
            break
    assert page.evaluate(unseen) == []


@pages
def test_the_list_of_keys_opens_on_each_page(visit, path):
    page = visit(path)
    page.locator("main").focus()  # a form that is open has the focus in a field
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pages
def test_nothing_moves_for_those_who_want_it_still(visit, path):
    page = visit(path, reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(element => {
          const style = getComputedStyle(element);
          return parseFloat(style.transitionDuration) > 0.01
            || parseFloat(style.animationDuration) > 0.01;
        }).length"""
    )
    assert moving == 0
