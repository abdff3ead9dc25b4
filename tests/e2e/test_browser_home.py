"""The console in a real browser: starting, what runs, waits, ran and is live, all of it
kept true over one event stream."""

import re

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .conftest import watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def cancelled_later(service):
    """Tasks that are put here are cancelled at the end."""
    tasks = []
    yield tasks
    for task_id in reversed(tasks):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


def form(page):
    return page.locator("form[data-launch]:visible")


def row(page, task_id):
    """A task among those that run or wait."""
    return page.locator(f"#now [data-row='{task_id}']")


def recent(page):
    return page.locator("#recent tbody tr")


def connection(page):
    return page.locator("[data-part=connection]")


def is_live(page):
    expect(connection(page)).to_have_text("live")


# --- Starting -----------------------------------------------------------------------


def test_a_deep_link_fills_the_form_in_and_starting_leads_to_the_task(
    open_page, service
):
    page = open_page("/?type=slowly&n=3&pause=0.1")
    expect(form(page).locator("input[name=n]")).to_have_value("3")
    form(page).get_by_role("button", name="Start slowly").click()
    page.wait_for_url("**/tasks/*")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    task = service.task(watched(page).get_attribute("data-task"))
    assert task["params"] == {"n": "3", "pause": "0.1"}
    assert task["createdBy"] == "admin"


def test_a_task_is_found_and_started_by_keyboard_alone(open_page):
    page = open_page("/")
    expect(form(page)).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Filter")).to_be_focused()
    page.keyboard.type("no such type")
    expect(page.get_by_text("No task type matches.")).to_be_visible()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("say")
    page.keyboard.press("Enter")
    expect(form(page).locator("input[name=text]")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/*")
    expect(page.locator("ol.log").get_by_text("by keyboard").last).to_be_visible()


def test_what_a_form_has_is_kept_when_another_type_is_chosen(open_page):
    page = open_page("/?type=check-integrity&version=v885")
    page.locator("a[data-type=full-sync]").first.click()
    version = form(page).get_by_role("textbox", name="Version")
    expect(version).to_have_value("v885")
    assert "type=full-sync" in page.url


def test_a_type_that_asks_starts_after_the_version_was_typed_again(
    open_page, service, demo
):
    page = open_page("/?type=rollback&version=v884")
    again = form(page).get_by_label("Type the version again to confirm")
    start = form(page).get_by_role("button", name="Start roll back")
    start.click()
    expect(again).to_be_focused()
    expect(form(page).get_by_text("Type v884 to confirm.")).to_be_visible()
    again.fill("v88")
    start.click()
    expect(again).to_have_attribute("aria-invalid", "true")
    again.fill("v884")
    start.click()
    page.wait_for_url("**/tasks/*")
    expect(watched(page)).to_have_attribute("data-status", "completed")


def test_a_form_says_what_will_happen_and_what_was_changed(
    open_page, service, cancelled_later
):
    first = service.create("gate")
    cancelled_later.append(first)
    service.wait_for(first, "running")
    page = open_page("/?type=gate")
    plan = form(page).locator("[data-part=plan]")
    expect(plan).to_contain_text("Waits for Gate")
    other = service.create("say", text="first said")
    service.wait_for(other)
    page.goto(f"{service.url}/tasks/{other}")
    page.get_by_role("link", name="Run again with changes").click()
    expect(form(page)).to_contain_text(f"Change what Say ({other[:8]}) ran with")
    text = form(page).locator("input[name=text]")
    was = form(page).get_by_text("was first said")
    expect(was).to_be_hidden()
    text.fill("then this")
    expect(was).to_be_visible()
    expect(form(page).locator("[data-part=plan]")).to_contain_text("Starts at once")
    page.keyboard.press("Escape")
    expect(form(page)).to_have_count(0)


def test_versions_are_offered_and_what_they_change_is_said_before_the_start(
    open_page, service, demo
):
    service.wait_for(service.create("full-sync", version="v884", guard="100"))
    page = open_page("/?type=full-sync")
    version = form(page).get_by_label("Version", exact=True)
    expect(version).to_be_focused()
    offers = form(page).locator("[data-part=versions] button")
    expect(offers.first).to_contain_text("v885")
    expect(offers.first).to_contain_text("3,592 files")
    expect(offers.nth(1)).to_contain_text("live on iOS, Android, Facebook")
    version.fill("885")
    form(page).get_by_role("button", name="Start full sync").click()
    expect(form(page).get_by_text("Did you mean v885?")).to_be_visible()
    offers.first.click()
    expect(version).to_have_value("v885")
    plan = form(page).locator("[data-part=plan]")
    # How much is new depends on what other tests have published.
    changes = re.compile(r"iOS: .* · 231\.0 kB per player · guard 0\.6 % of 20 %")
    expect(plan).to_contain_text(changes)
    expect(plan).to_contain_text(re.compile(r"Starts at once|Waits for"))


def test_yes_or_no_and_a_few_choices_are_controls_of_their_own(open_page, service):
    page = open_page("/?type=full-sync&version=v1")
    form(page).get_by_label("copy").check(force=True)
    form(page).get_by_label("Allow an older version").check()
    form(page).get_by_role("button", name="Start full sync").click()
    page.wait_for_url("**/tasks/*")
    params = service.task(watched(page).get_attribute("data-task"))["params"]
    assert params["reuse"] == "copy"
    assert (params["allow_older"], params["allow_extra"]) == ("yes", "no")


def test_the_server_asks_for_it_too(open_page, service):
    page = open_page("/?type=prune", java_script_enabled=False)
    form(page).get_by_label("Type prune to confirm").fill("prun")
    form(page).get_by_role("button", name="Start prune").click()
    expect(page.get_by_text("Type prune to confirm.")).to_be_visible()
    assert page.url == f"{service.url}/"


def test_what_only_the_server_can_refuse_is_said_beside_its_field(open_page):
    page = open_page("/?type=say")
    text = form(page).locator("input[name=text]")
    text.fill("-rf")  # no pattern that a browser knows
    text.press("Enter")
    expect(form(page).get_by_text("Must be one line of text that")).to_be_visible()
    expect(text).to_be_focused()
    expect(text).to_have_value("-rf")


def test_a_server_that_is_away_is_said_and_nothing_is_lost(open_page):
    page = open_page("/?type=say&text=precious")
    page.route(f"{page.url.partition('?')[0]}", lambda route: route.abort())
    form(page).get_by_role("button").click()
    expect(form(page).get_by_role("alert")).to_contain_text("can't be reached")
    expect(form(page).locator("input[name=text]")).to_have_value("precious")


def test_a_double_click_starts_one_task(open_page, service):
    page = open_page("/?type=say&text=once-only-7391")
    form(page).get_by_role("button").dblclick()
    page.wait_for_url("**/tasks/*")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    found = service.request("GET", "/api/tasks?type=say&limit=100").json()["tasks"]
    texts = [task["params"].get("text") for task in found]
    assert texts.count("once-only-7391") == 1


# --- The list over one stream -------------------------------------------------------


def test_a_task_comes_moves_and_goes_while_one_looks_on(open_page, service):
    page = open_page("/")
    is_live(page)
    task_id = service.create("progressing", n="300", pause="0.01")
    bar = row(page, task_id).locator("[data-part=progress]")
    expect(row(page, task_id).locator(".status")).to_contain_text("running")
    expect(row(page, task_id)).to_contain_text("Step 1 of 1: progressing")
    seen = set()

    def has_moved():
        if not row(page, task_id).count():
            return True
        seen.add(bar.evaluate("bar => bar.value"))
        return len(seen) > 3

    wait_until(has_moved, "the bar to move")
    assert len(seen) > 3
    expect(row(page, task_id)).to_have_count(0)
    expect(recent(page).first).to_contain_text("Progressing")
    expect(recent(page).first).to_contain_text("completed")


def nothing_goes_on(service):
    """Whether no task of a test before is about to change."""
    found = [
        service.request("GET", f"/api/tasks?status={status}").json()["tasks"]
        for status in ("pending", "running")
    ]
    return not any(found)


def test_progress_is_shown_without_asking_the_server_again(open_page, service, demo):
    wait_until(lambda: nothing_goes_on(service), "the tasks of other tests to end")
    page = open_page("/")
    is_live(page)
    expect(page.locator("#releases [data-unanswered]")).to_have_count(0)
    task_id = service.create("progressing", n="600", pause="0.01")
    bar = row(page, task_id).locator("[data-part=progress]")
    expect(bar).to_be_visible()
    wait_until(lambda: bar.evaluate("bar => bar.value") > 15, "the first progress")
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    def goes_on_unasked():
        asked.clear()
        start = bar.evaluate("bar => bar.value")
        wait_until(lambda: bar.evaluate("bar => bar.value") > start + 15, "progress")
        return not [url for url in asked if "/live" in url or "/api/" in url]

    # Something else may have changed once: what is live, after a task of another test.
    wait_until(goes_on_unasked, "progress that the server was not asked for")
    service.wait_for(task_id)


def test_a_waiting_task_says_what_it_waits_for_and_takes_its_turn(
    open_page, service, cancelled_later
):
    first = service.create("gate")
    cancelled_later.append(first)
    service.wait_for(first, "running")
    page = open_page("/")
    is_live(page)
    second = service.create("gate")
    cancelled_later.append(second)
    waits = "Waiting for Gate (started by key in API_KEY) to finish (same lock)"
    expect(row(page, second)).to_contain_text(waits)
    expect(row(page, second).get_by_role("progressbar")).to_have_count(0)
    service.request("POST", f"/api/tasks/{first}/cancel")
    expect(row(page, second).locator(".status")).to_contain_text("running")
    expect(row(page, first)).to_have_count(0)


def test_how_long_it_will_take_comes_from_past_runs(open_page, service):
    for _ in range(3):
        service.wait_for(service.create("pausing", seconds="2"))
    task_id = service.create("pausing", seconds="30")
    service.wait_for(task_id, "running")
    page = open_page("/")
    left = row(page, task_id).locator("[data-part=left]")
    # Then it is over, and what is usual is all that is known.
    expect(left).to_have_text("longer than usual (2 s)")
    elapsed = row(page, task_id).locator("[data-part=elapsed]")
    expect(elapsed).to_have_text(re.compile(r"^[4-9] s$"))
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(row(page, task_id)).to_have_count(0)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda route: route.abort(), id="no connection"),
        # After this the browser itself never tries again.
        pytest.param(lambda route: route.fulfill(status=502), id="a proxy's 502"),
    ],
)
def test_a_lost_connection_is_said_stops_the_clocks_and_comes_back(
    open_page, service, cancelled_later, cut
):
    task_id = service.create("slowly", n="9999")
    cancelled_later.append(task_id)
    service.wait_for(task_id, "running")
    page = open_page("about:blank")
    page.context.route("**/api/streams?*", cut)
    page.clock.install()
    page.goto(service.url + "/")
    expect(connection(page)).to_contain_text("disconnected at")
    elapsed = row(page, task_id).locator("[data-part=elapsed]")
    before = elapsed.text_content()
    page.clock.run_for(3_000)
    assert elapsed.text_content() == before
    page.context.unroute("**/api/streams?*")
    page.clock.run_for(15_000)
    is_live(page)
    page.clock.run_for(3_000)
    expect(elapsed).not_to_have_text(before)


def test_a_restart_of_the_web_server_is_survived(chromium, new_service):
    service = new_service()
    service.prepare()
    service.run()
    page = chromium.new_page()
    page.goto(service.sign_in_link())
    is_live(page)
    service.kill("web")
    expect(connection(page)).to_contain_text("disconnected at")
    service.start("web")
    service.wait_healthy()
    is_live(page)
    task_id = service.create("say")
    expect(page.locator(f"#recent a[href='/tasks/{task_id}']")).to_be_visible()
    page.close()


def test_a_runner_that_is_gone_is_said_and_one_that_comes_back_too(
    chromium, new_service
):
    service = new_service()
    service.prepare()
    service.run()
    page = chromium.new_page()
    page.goto(service.sign_in_link())
    is_live(page)
    expect(page.locator(".strip")).to_have_count(0)
    service.stop_one("runner")
    expect(page.locator(".strip")).to_contain_text("No runner is active")
    service.start("runner")
    expect(page.locator(".strip")).to_have_count(0)
    page.close()


def test_what_is_live_changes_by_itself(open_page, service, demo):
    service.wait_for(service.create("full-sync", version="v884", guard="100"))
    page = open_page("/")
    live = page.locator("#releases article").first
    expect(live).to_contain_text("iOS")
    expect(live).to_contain_text("v884")
    task_id = service.create("full-sync", version="v885", guard="100")
    expect(live.locator(".version")).to_have_text("v885")
    expect(live.locator("p a")).to_have_attribute("href", f"/tasks/{task_id}")
    expect(live).to_contain_text("v884")  # the one before
    service.wait_for(service.create("rollback", version="v884"))


def test_what_is_pointed_at_does_not_move(open_page, service):
    service.wait_for(service.create("say", text="first"))
    page = open_page("/")
    is_live(page)
    link = recent(page).first.get_by_role("link")
    first = link.get_attribute("href")
    task_id = service.create("slowly", n="30")
    expect(row(page, task_id)).to_be_visible()

    def has_ended():
        # A hand is never still: a pointer that rests holds nothing up.
        for x in (5, 9):
            link.hover(position={"x": x, "y": 5})
        return row(page, task_id).count() == 0

    wait_until(has_ended)
    assert link.get_attribute("href") == first
    page.mouse.move(0, 0)
    newest = recent(page).first.get_by_role("link")
    expect(newest).to_have_attribute("href", f"/tasks/{task_id}")


# --- Filters ------------------------------------------------------------------------


def test_the_recent_tasks_are_searched_and_back_works(open_page, service):
    found = service.create("exit-code", code="7")
    other = service.create("say")
    service.wait_for(found)
    service.wait_for(other)
    page = open_page("/?type=say&text=kept")
    form(page).locator("input[name=text]").fill("typed")
    page.locator("[data-search]").fill(found[:13])
    page.keyboard.press("Enter")
    expect(recent(page)).to_have_count(1)
    expect(recent(page)).to_contain_text("Exit code")
    assert f"recent-q={found[:13]}" in page.url
    page.get_by_label("Status").select_option("completed")
    expect(page.get_by_text("No tasks match these filters.")).to_be_visible()
    page.go_back()
    expect(recent(page)).to_have_count(1)
    page.go_back()
    expect(page.locator("[data-search]")).to_have_value("")
    expect(page.locator(f"#recent a[href='/tasks/{other}']")).to_be_visible()
    # What was typed into the form is still there.
    expect(form(page).locator("input[name=text]")).to_have_value("typed")


def test_a_filtered_list_stays_filtered_when_something_changes(open_page, service):
    found = service.create("exit-code", code="7")
    service.wait_for(found)
    page = open_page(f"/?recent-q={found}")
    is_live(page)
    expect(recent(page)).to_have_count(1)
    task_id = service.create("slowly", n="30")
    expect(row(page, task_id)).to_be_visible()
    expect(row(page, task_id)).to_have_count(0)
    expect(recent(page)).to_have_count(1)
    expect(recent(page)).to_contain_text("Exit code")


def test_the_console_is_whole_without_script(open_page, service, cancelled_later):
    task_id = service.create("slowly", n="9999")
    cancelled_later.append(task_id)
    service.wait_for(task_id, "running")
    page = open_page("/", java_script_enabled=False)
    expect(row(page, task_id)).to_contain_text("Step 1 of 1: slowly")
    expect(page.locator("#releases article")).to_have_count(3)
    page.locator("[data-search]").fill("no such thing")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No tasks match these filters.")).to_be_visible()
