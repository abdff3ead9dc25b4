"""The palette, and what the tab of a page says, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

# What leads first where somebody types this, by the palette's own modules.
FIRST = """async queries => {
    const {find} = await import("/static/js/palette/find.js");
    const data = await (await fetch("/palette")).json();
    const first = query => find(query, data, true)[0]?.entries[0];
    return queries.map(query => {
        const {url, last, act} = first(query) ?? {};
        return decodeURIComponent(url ?? last ?? act ?? "nothing");
    });
}"""
FULL_SYNC = "/?type=full-sync&version=v886"
ID = "0190a8b2-7c1d-7e3f-8a9b-0c1d2e3f4a5b"
LEADS = {
    # A type and its version, glued or apart, by title, name, letters and pinyin.
    "fs886": FULL_SYNC,
    "FSv886": FULL_SYNC,
    "完整v886": FULL_SYNC,
    "full sync 886": FULL_SYNC,
    "full-sync v886": FULL_SYNC,
    "v886 sync full": FULL_SYNC,
    "完整同步886": FULL_SYNC,
    "wztb886": FULL_SYNC,
    "完整tb 886": FULL_SYNC,
    "fs 886 copy": f"{FULL_SYNC}&reuse=copy",
    "fs": "/?type=full-sync",
    "jcwzx": "/?type=check-integrity",
    "rlbk": "/?type=rollback",
    "回滚 ios": "/?type=rollback&platforms=ios",
    "hg885 andr": "/?type=rollback&version=v885&platforms=android",
    "修复 全部": "/?type=repair&platforms=all",
    "prune 5": "/?type=prune&keep=5",
    "say hello": "/?type=say&text=hello",
    # A version alone: all types that take one, in their order.
    "v886": "/?type=check-integrity&version=v886",
    "886": "/?type=check-integrity&version=v886",
    # Pages and acts.
    "history": "/history",
    "历史": "/history",
    "ls": "/history",
    "swagger": "/api/docs",
    "last failed": "failed",
    "theme": "theme",
    "中文": "language",
    # Tasks and lines.
    ID: f"/tasks/{ID}",
    f"https://sync.example.com/tasks/{ID}#L7-L9": f"/tasks/{ID}#L7-L9",
    f"see {ID.upper()}": f"/tasks/{ID}",
    "#L12": "#L12",
    # Chance is no match, and neither is a value that nothing takes.
    "zqx": "nothing",
    "fs 886 nowhere": "nothing",
    "prune -1": "nothing",
    "a b c d e f g h": "nothing",
}
LOOK = """isAway => {
    Object.defineProperty(document, "hidden", {value: isAway, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def palette(page):
    return page.get_by_role("dialog", name="Quick find")


def field(page):
    return palette(page).get_by_role("combobox", name="Quick find")


def options(page):
    return palette(page).get_by_role("option")


def active(page):
    """The option that Enter follows."""
    return palette(page).get_by_role("option", selected=True)


def has_icon(page, name):
    icon = re.compile(rf"/static/(favicon/)?{name}\.[0-9a-f]+\.svg$")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", icon)


def nothing_runs(service):
    return not service.request("GET", "/api/tasks?status=running").json()["count"]


def test_what_is_typed_leads_where_it_says(open_page):
    page = open_page("/history")
    assert dict(zip(LEADS, page.evaluate(FIRST, list(LEADS)), strict=True)) == LEADS


def test_enter_shows_the_filled_form_and_starts_nothing(open_page, service):
    page = open_page("/history")
    before = service.request("GET", "/api/tasks").json()["count"]
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Keyboard").click()
    page.keyboard.press("Control+k")  # a question that is open is answered first
    expect(palette(page)).to_have_count(0)
    page.keyboard.press("Escape")
    assert not [url for url in asked if "palette" in url]
    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    expect(options(page).filter(has_text="Full sync").first).to_be_visible()
    page.keyboard.type("fs886")
    expect(active(page)).to_contain_text(re.compile("^Full sync.*v886"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/?type=full-sync&version=v886")
    form = page.locator("form[data-launch]:visible")
    expect(form.locator("input[name=version]")).to_have_value("v886")
    assert service.request("GET", "/api/tasks").json()["count"] == before


def test_it_is_worked_by_keys_and_gives_the_focus_back(open_page, service):
    service.wait_for(service.create("say", text="hello"))
    page = open_page("/history")
    button = page.get_by_role("button", name="Quick find")
    button.click()
    page.keyboard.type("say")
    # They come last, and the last row is another before.
    tasks = palette(page).get_by_role("group", name="Recent tasks")
    expect(tasks.get_by_role("option").first).to_be_visible()
    expect(options(page).nth(1)).to_be_visible()
    first = active(page).text_content()
    page.keyboard.press("ArrowDown")
    assert active(page).text_content() != first
    row = active(page).get_attribute("id")
    expect(field(page)).to_have_attribute("aria-activedescendant", row)
    page.keyboard.press("ArrowUp")
    assert active(page).text_content() == first
    page.keyboard.press("ArrowUp")  # round to the last
    expect(options(page).last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(palette(page)).to_have_count(0)
    expect(button).to_be_focused()
    theme = page.locator("html").get_attribute("data-theme")
    page.keyboard.press("Control+k")
    expect(field(page)).to_have_value("")
    page.keyboard.type("theme")
    expect(active(page)).to_contain_text("Change theme")
    page.keyboard.press("Enter")
    expect(page.locator("html")).not_to_have_attribute("data-theme", theme)
    page.keyboard.press("Control+k")
    page.keyboard.type("zqxj")
    expect(palette(page).get_by_role("listbox")).to_have_text("Nothing found.")
    page.keyboard.press("Control+k")
    expect(palette(page)).to_have_count(0)


def test_tasks_are_found_by_type_status_id_and_line(open_page, service):
    said = service.create("say", text="hello")
    service.wait_for(said)
    failed = service.create("exit-code", code="7")
    service.wait_for(failed)
    page = open_page("/history")
    page.keyboard.press("Control+k")
    expect(options(page).first).to_contain_text("Exit code")  # the newest, at once
    page.keyboard.type(said[:13])
    expect(options(page)).to_have_count(1)
    expect(active(page)).to_contain_text("Say")
    field(page).fill("last failed")
    expect(options(page).nth(1)).to_contain_text("Exit code")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tasks/{failed}")
    has_icon(page, "failed")
    page.keyboard.press("Control+k")
    field(page).fill(f"{service.url}/tasks/{said}#L1")
    expect(active(page)).to_contain_text("Line 1")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tasks/{said}#L1")
    has_icon(page, "completed")


def test_the_tab_says_how_tasks_stand(open_page, service):
    wait_until(lambda: nothing_runs(service), "the tasks of other tests to end")
    running = service.create("slowly", n="9999")
    service.wait_for(running, "running")
    console = open_page("/")
    expect(console).to_have_title("1 running · Resource Sync")
    has_icon(console, "busy")
    console.evaluate(LOOK, True)
    page = open_page(f"/tasks/{running}")
    has_icon(page, "running")
    service.request("POST", f"/api/tasks/{running}/cancel")
    has_icon(page, "cancelled")
    service.wait_for(running)
    console.evaluate(LOOK, False)
    expect(console).to_have_title("Resource Sync")
    has_icon(console, "icon")


def test_the_console_s_tab_tells_of_failures_until_somebody_looks(open_page, service):
    wait_until(lambda: nothing_runs(service), "the tasks of other tests to end")
    page = open_page("about:blank")
    page.clock.install()
    page.goto(service.url + "/")
    with page.expect_response(lambda answer: "status=failed" in answer.url):
        page.evaluate(LOOK, True)
    service.wait_for(service.create("exit-code", code="7"))

    def tells():
        page.clock.run_for(20_000)
        return "1 failed" in page.title()

    wait_until(tells, "the title to tell of it")
    has_icon(page, "alert")
    page.evaluate(LOOK, False)
    expect(page).to_have_title("Resource Sync")
    has_icon(page, "icon")
