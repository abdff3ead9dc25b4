"""The admin in a real browser: nothing is broken by the content security policy, on a
phone, in the dark or in Chinese; ``open_page`` fails on any error in the console."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

TASKS, KEYS, AUDIT = (
    f"/admin/tasks/{name}/" for name in ("task", "apikey", "auditevent")
)
PAGES = {
    "front page": "/admin/",
    "tasks": TASKS,
    "tasks of a version": f"{TASKS}?version=v1&status__exact=completed",
    "a task": f"{TASKS}{{task}}/change/",
    "audit trail": AUDIT,
    "keys": KEYS,
    "new key": f"{KEYS}add/",
    "runners": "/admin/tasks/runner/",
    "users": "/admin/auth/user/",
    "new user": "/admin/auth/user/add/",
}
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def history(service):
    """More tasks than one page of the list has; one of them with a log."""
    code = (
        "from datetime import timedelta; from django.utils import timezone;"
        "from tasks.models import Task; now = timezone.now();"
        "Task.objects.bulk_create(Task(type='say', version='v1', created_by='carol',"
        " status='completed', created_at=now - timedelta(hours=n),"
        " completed_at=now - timedelta(hours=n)) for n in range(1, 121))"
    )
    service.manage("shell", "-v0", "-c", code)
    task_id = service.create("count", n="300")
    service.wait_for(task_id)
    return task_id


def no_wider_than(page, width):
    return page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_the_admin_fits_a_phone_in_chinese_and_in_the_dark(
    open_page, history, name
):
    path = PAGES[name].format(task=history)
    page = open_page(path, viewport=PHONE, locale="zh-CN", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(13, 16, 19)"
    assert no_wider_than(page, PHONE["width"])


# Words of Django's own admin and of ours that would stand there untranslated. Names
# of task types, people and addresses are Latin in Chinese as well.
ENGLISH = re.compile(
    r"\b(Select|Filter|By|Action|Go|Search|Status|Type|Version|Person|Created|Started|"
    r"Pinned|Scope|Expires|Allowed IPs|State|Host|Heartbeat|Runner|Audit|Export|Newest|"
    r"Older|Newer|Rerun|Cancel|Revoke|Welcome|Home|Name|Last|Any|All|Task|Step|Result)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", ["tasks", "a task", "audit trail", "keys", "runners"])
def test_no_english_is_left_in_the_chinese_admin(open_page, history, name):
    page = open_page(PAGES[name].format(task=history), locale="zh-CN")
    texts = page.evaluate(
        """() => [...document.querySelectorAll(
            "#content h1, #content h2, #content th, #content label, #content summary,"
            + " #content button, #content input[type=submit], #content .help,"
            + " #content option, .object-tools a, .places, .toplinks, #user-tools a,"
            + " .breadcrumbs, .actions"
        )].map(node => node.value && node.type == "submit" ? node.value
                                                        : node.innerText)"""
    )
    assert len(texts) > 5
    assert [text for text in texts if ENGLISH.search(text)] == []


def test_the_language_is_switched_within_the_admin(open_page):
    page = open_page(f"{TASKS}?q=v1")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page).to_have_url(re.compile(r"/admin/tasks/task/\?q=v1$"))
    page.get_by_role("button", name="EN").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_theme_of_the_console_is_that_of_the_admin(open_page):
    page = open_page("/", color_scheme="light")
    switch = page.locator("[data-theme-switch]")
    switch.click()
    switch.click()
    page.goto("/admin/")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(13, 16, 19)"


def test_the_palette_and_the_keys_work_in_the_admin_as_elsewhere(open_page, history):
    page = open_page("/admin/")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Quick find")
    expect(palette.get_by_role("option").first).to_be_visible()
    page.keyboard.type("history")
    page.keyboard.press("Enter")
    page.wait_for_url("**/history")
    page.goto(TASKS)
    page.get_by_role("button", name="Keyboard").click()
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.goto(f"{TASKS}{history}/change/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_no_word_of_the_admin_is_in_capitals_and_its_icons_are_ours(open_page, history):
    for path in ("/admin/auth/user/", f"{TASKS}{history}/change/", f"{KEYS}add/"):
        page = open_page(path)
        upper = page.evaluate(
            """() => [...document.querySelectorAll("#container *")].filter(node =>
                getComputedStyle(node).textTransform === "uppercase"
            ).map(node => node.outerHTML.slice(0, 80))"""
        )
        assert upper == []
    page = open_page("/admin/auth/user/")
    drawn = page.get_by_role("img", name="True").first.get_attribute("src")
    picture = page.request.get(drawn).text()
    assert 'stroke-linecap="round"' in picture  # Lucide's are lines, Django's are areas


def test_an_event_has_its_time_in_the_reader_s_zone_and_in_utc(open_page, history):
    page = open_page(f"{AUDIT}?q={history}", timezone_id="Asia/Shanghai")
    time = rows(page).first.locator("time")
    expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+8$"))
    expect(time).to_have_attribute("title", re.compile(r"\d\d:\d\d:\d\d UTC · "))


def rows(page):
    return page.locator("#result_list tbody tr")


def test_one_pages_through_the_tasks_and_filters_by_what_one_types(open_page, history):
    page = open_page(f"{TASKS}?created_by=carol")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older", exact=True).click()
    page.get_by_role("link", name="Older", exact=True).click()
    expect(rows(page)).to_have_count(20)
    expect(page.get_by_role("link", name="Older", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Newest", exact=True).click()
    expect(rows(page)).to_have_count(50)
    version = page.get_by_role("combobox", name="version")
    version.fill("v2")
    version.press("Enter")
    expect(rows(page)).to_have_count(0)
    expect(page).to_have_url(re.compile("created_by=carol"))


def test_a_task_is_found_by_its_id_pinned_and_exported(open_page, service, history):
    page = open_page(TASKS)
    page.locator("#searchbar").fill(history[:8])
    page.locator("#searchbar").press("Enter")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("checkbox").last.check()
    page.get_by_role("combobox", name="Action").select_option("pin_selected")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1 task is pinned")
    assert service.task(history)["pinned"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(history)
    page.goto(f"{TASKS}{history}/change/")
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    assert not service.task(history)["pinned"]
    expect(page.locator(".field-events")).to_contain_text("task unpinned")
    expect(page.locator("ol.log")).to_contain_text("300")
    expect(watched(page)).to_have_attribute("data-status", "completed")


def test_a_key_is_made_used_and_revoked(open_page, service):
    page = open_page(f"{KEYS}add/")
    page.get_by_label("Name").fill("wall display")
    page.get_by_label("read: see everything").check()
    page.get_by_label("start: also start tasks").uncheck()
    page.get_by_label("Expires on").fill("2999-01-31")
    page.get_by_label("Allowed IPs").fill("127.0.0.0/8")
    page.get_by_role("button", name="Create key").click()
    headers = {"X-API-Key": page.locator("#new-key").inner_text()}

    def ask(method, path):
        url = service.url + path
        return requests.request(
            method, url, headers=headers, json={}, timeout=PATIENCE_SECONDS
        )

    assert ask("GET", "/api/tasks").status_code == 200
    refused = ask("POST", "/api/tasks/say")
    assert refused.status_code == 403
    assert "“start”" in refused.json()["detail"]
    page.get_by_role("link", name="Back to API keys").click()
    row = rows(page).filter(has_text="wall display")
    for text in ("● usable", "read", "127.0.0.1", "127.0.0.0/8"):
        expect(row).to_contain_text(text)
    row.get_by_role("link").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("This cannot be undone")).to_be_visible()
    assert ask("GET", "/api/tasks").status_code == 200
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".messagelist")).to_contain_text("no longer works")
    assert ask("GET", "/api/tasks").status_code == 401
    page.goto(f"{AUDIT}?q=wall+display")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("revokeAPI key wall display")


def test_a_runner_that_is_killed_is_shown_as_dead(open_page, service):
    page = open_page("/admin/tasks/runner/")

    def shows(state):
        page.reload()
        row = rows(page).filter(has_text="doomed")
        return row.filter(has_text=state).count() == 1

    service.start("doomed", "--name", "doomed", "--types", "prune")
    wait_until(lambda: shows("● active"), "a living runner")
    service.kill("doomed")
    wait_until(lambda: shows("✕ lost"), "a dead runner")
