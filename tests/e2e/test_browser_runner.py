"""What the pages say of a task that waits, is silent, was tried again or is on its way
to its end, in a real browser."""

import re
import time
from itertools import count

import pytest
from playwright.sync_api import expect

from .conftest import processes_with, watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

marks = count(7_130_001)


@pytest.fixture
def deaf(service):
    """A running task that does not listen to SIGTERM."""
    mark = str(next(marks))
    task_id = service.create("deaf", mark=mark)
    service.wait_for(task_id, "running")
    yield task_id, mark
    service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})
    service.wait_for(task_id)


@pytest.fixture
def cancelled_later(service):
    """Tasks that are put here are cancelled at the end."""
    tasks = []
    yield tasks
    for task_id in reversed(tasks):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


def now(page, part):
    """A part of the line under a task's name: what is the matter now."""
    return page.locator(f".now [data-part={part}]")


def ask_to_cancel(page):
    page.get_by_role("button", name="Cancel task").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel task").click()


def test_a_cancel_under_way_says_since_when_and_can_be_forced(open_page, service, deaf):
    task_id, mark = deaf
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#L2")).to_contain_text("deaf")
    ask_to_cancel(page)
    since = re.compile(r"Cancelling \([2-9] s\), requested by admin")
    expect(now(page, "cancelling")).to_have_text(since)
    page.get_by_role("button", name="Force stop").click()
    dialog = page.get_by_role("dialog", name="Force-stop Deaf?")
    expect(dialog).to_contain_text("killed at once, without waiting for a clean exit")
    dialog.get_by_role("button", name="Force stop").click()
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(now(page, "cancelling")).to_be_hidden()
    expect(page.get_by_role("button", name="Force stop")).to_be_hidden()
    assert service.task(task_id)["cancelForced"]
    assert not processes_with(mark)


def badge(page):
    return page.locator("[data-part=status]")


def test_a_cancel_is_shown_at_once_and_an_error_takes_its_place(
    open_page, service, deaf
):
    task_id, _mark = deaf
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#L2")).to_contain_text("deaf")
    waiting = []
    page.route("**/cancel", lambda route: waiting.append(route))
    ask_to_cancel(page)
    bar = page.locator("[data-part=progress]")
    expect(badge(page)).to_have_text("⊖ cancelling")
    expect(bar).to_have_attribute("data-status", "cancelling")
    expect(now(page, "cancelling")).to_have_text("Cancelling…")
    button = page.locator("[data-part=cancel] button")
    expect(button).to_be_disabled()
    expect(page).to_have_title(re.compile("^⊖ Deaf"))
    problem = page.locator("[data-part=problem]")
    expect(problem).to_contain_text("No response yet")
    waiting.pop().abort()
    expect(problem).to_contain_text("The server can't be reached.")
    expect(badge(page)).to_have_text("● running")
    expect(bar).to_have_attribute("data-status", "running")
    expect(now(page, "cancelling")).to_be_hidden()
    expect(page).to_have_title(re.compile("^● Deaf"))
    page.unroute_all()
    ask_to_cancel(page)
    expect(now(page, "cancelling")).to_contain_text(
        re.compile(r"requested by admin · killed in \d+ s$")
    )
    expect(badge(page)).to_have_text("⊖ cancelling")
    expect(problem).to_be_hidden()
    expect(button).to_have_text("Force stop")


def test_what_only_waits_is_cancelled_in_its_own_words_and_nothing_stale_stays(
    open_page, service, cancelled_later
):
    first = service.create("gate")
    service.wait_for(first, "running")
    second = service.create("gate")
    cancelled_later.append(first)
    page = open_page(f"/tasks/{second}")
    expect(now(page, "step")).to_contain_text("Waiting for Gate")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("so there is nothing to stop")
    expect(dialog.get_by_role("button", name="Keep queued")).to_be_focused()
    dialog.get_by_role("button", name="Cancel task").click()
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(now(page, "step")).to_be_empty()
    expect(badge(page)).to_have_text("⊘ cancelled")


def test_a_question_says_what_has_become_true_meanwhile(
    open_page, service, cancelled_later
):
    first = service.create("gate")
    service.wait_for(first, "running")
    second = service.create("gate")
    cancelled_later.append(second)
    page = open_page(f"/tasks/{second}")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Keep queued")
    service.request("POST", f"/api/tasks/{first}/cancel")
    expect(dialog).to_contain_text("Keep running")
    expect(dialog).to_contain_text("Its processes will be stopped.")
    service.request("POST", f"/api/tasks/{second}/cancel")
    expect(dialog).to_be_hidden()


def test_the_console_has_the_readers_zone_and_its_clocks_go_on(
    open_page, service, deaf, cancelled_later
):
    silent = service.create("pensive")
    cancelled_later.append(silent)
    task_id, _mark = deaf
    page = open_page("/", timezone_id="Asia/Shanghai")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    row = page.locator(f"#now [data-row='{task_id}']")
    place = row.locator("[data-part=cancelling]")
    expect(place).to_have_text(
        re.compile(r"^Cancelling \(\d+ s\), requested by key in API_KEY")
    )
    expect(row.locator(".status")).to_have_text("⊖ cancelling")
    stalled = page.locator(f"#now [data-row='{silent}'] [data-part=stalled]")
    since = int(stalled.get_attribute("data-since"))
    there = time.strftime("%H:%M:%S", time.gmtime(since + 8 * 3600))
    expect(stalled).to_have_text(re.compile(rf"^No output since {there} \(\d+ s\)$"))
    before = stalled.text_content()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    expect(stalled).not_to_have_text(before)


def test_whoever_watches_sees_a_cancel_that_another_asked_for(open_page, service, deaf):
    task_id, _mark = deaf
    english = open_page(f"/tasks/{task_id}")
    chinese = open_page(f"/tasks/{task_id}", locale="zh-CN")
    expect(chinese.locator("#L2")).to_contain_text("deaf")
    expect(english.locator("#L2")).to_contain_text("deaf")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(now(english, "cancelling")).to_have_text(
        re.compile("^Cancelling .* requested by key in API_KEY · killed in [0-9]+ s$")
    )
    expect(now(chinese, "cancelling")).to_have_text(
        re.compile(r"^正在取消（\d+ 秒），操作人 API_KEY 中的密钥 · \d+ 秒后强制结束$")
    )
    expect(chinese.get_by_role("button", name="强制结束")).to_be_visible()


def test_what_has_been_forced_says_so_and_is_not_offered_again(
    open_page, service, deaf
):
    task_id, _mark = deaf
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#L2")).to_contain_text("deaf")
    ask_to_cancel(page)
    # The stream tells of the cancel, perhaps before the request for it is answered.
    expect(page.get_by_role("button", name="Force stop")).to_be_enabled()
    page.keyboard.press("c")
    page.get_by_role("dialog").get_by_role("button", name="Force stop").click()
    ended = page.locator("[data-task][data-status=cancelled]")
    forced = now(page, "cancelling").filter(has_text="Force-stopping ")
    expect(ended.or_(forced).first).to_be_visible()
    expect(page.get_by_role("button", name="Force stop")).to_be_hidden()


def test_without_script_a_cancel_is_forced(open_page, service, deaf):
    task_id, _mark = deaf
    page = open_page(f"/tasks/{task_id}", java_script_enabled=False)
    page.get_by_role("button", name="Cancel task").click()
    page.get_by_role("button", name="Cancel task").click()
    expect(now(page, "cancelling")).to_have_text(
        re.compile(r"Cancelling \(\d+ s\), requested by admin")
    )
    page.get_by_role("button", name="Force stop").click()
    expect(page.get_by_text("killed at once, without waiting")).to_be_visible()
    page.get_by_role("button", name="Force stop").click()
    expect(page).to_have_url(f"{service.url}/tasks/{task_id}")
    assert service.wait_for(task_id, "cancelled")["cancelForced"]


def test_a_waiting_task_says_live_what_it_waits_for(
    open_page, service, cancelled_later
):
    first = service.create("gate")
    service.wait_for(first, "running")
    second, third = service.create("gate"), service.create("gate")
    cancelled_later += [first, second, third]
    page = open_page(f"/tasks/{third}")
    chinese = open_page(f"/tasks/{third}", locale="zh-CN")
    waits = "Waiting for Gate (started by key in API_KEY) to finish (same lock) · "
    expect(now(page, "step")).to_have_text(waits + "position 2 in the queue")
    in_chinese = "等待 Gate（由 API_KEY 中的密钥 启动）释放锁 · "
    expect(now(chinese, "step")).to_have_text(in_chinese + "排在第 2 位")
    service.request("POST", f"/api/tasks/{first}/cancel")
    expect(now(page, "step")).to_have_text(waits + "next in the queue")
    expect(now(chinese, "step")).to_have_text(in_chinese + "排在第 1 位")
    now(page, "step").get_by_role("link").click()
    expect(page).to_have_url(f"{service.url}/tasks/{second}")
    expect(watched(page)).to_have_attribute("data-status", "running")
    service.request("POST", f"/api/tasks/{second}/cancel")
    expect(now(chinese, "step")).to_have_text("步骤 1/1：closed")


def test_a_hidden_page_asks_nothing(open_page, service, cancelled_later):
    first = service.create("gate")
    service.wait_for(first, "running")
    second = service.create("gate")
    cancelled_later += [first, second]
    page = open_page("/")
    page.clock.install()
    page.goto(f"/tasks/{second}")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    hide = (
        "value => Object.defineProperty("
        "document, 'hidden', {value, configurable: true})"
    )
    page.evaluate(hide, True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(20_000)
    page.evaluate(hide, False)
    assert not asked
    with page.expect_response(f"**/tasks/{second}/why"):
        page.clock.run_for(3_000)


def test_a_silent_step_is_marked_until_it_speaks_again(
    open_page, service, cancelled_later
):
    task_id = service.create("pensive")
    cancelled_later.append(task_id)
    page = open_page(f"/tasks/{task_id}", timezone_id="Asia/Shanghai")
    since = service.wait_for(task_id, "running")["startedAt"]
    hour = f"{(int(since[11:13]) + 8) % 24:02}"
    expect(now(page, "stalled")).to_have_text(
        re.compile(rf"^No output since {hour}:[0-9:]{{5}} \([2-9] s\)$")
    )
    expect(page.locator("ol.log")).to_contain_text("has printed nothing for 1 s.")
    (service.data_dir / f"{task_id}.idea").touch()
    expect(page.locator("ol.log")).to_contain_text("aha")
    expect(now(page, "stalled")).to_be_hidden()


def test_a_task_whose_runner_is_killed_is_watched_into_its_second_attempt(
    open_page, service, cancelled_later
):
    task_id = service.create("pensive")
    cancelled_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    chinese = open_page(f"/tasks/{task_id}", locale="zh-CN")
    expect(page.locator("#L2")).to_contain_text("hm")
    expect(now(page, "attempt")).to_be_hidden()
    service.kill("runner")
    try:
        expect(watched(page)).to_have_attribute("data-status", "pending")
        expect(now(page, "step")).to_contain_text("Waiting: no active runner accepts")
    finally:
        service.start("runner", "--concurrency", "8")
    expect(watched(page)).to_have_attribute("data-status", "running")
    expect(now(page, "attempt")).to_have_text("Attempt 2")
    expect(now(chinese, "attempt")).to_have_text("第 2 次运行")
    expect(now(page, "step")).to_have_text("Step 1 of 1: think")
    page.get_by_text("Details").click()
    explained = page.get_by_text("Its runner stopped, so the task was queued")
    expect(explained).to_be_visible()
    expect(page.locator("ol.log")).to_contain_text("The task goes back to the queue.")


def test_each_attempt_of_a_step_has_a_row_of_its_own(open_page, service):
    page = open_page(f"/tasks/{service.create('flaky')}")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    rows = [
        re.compile(
            r"✕ failed\s*unsteady\s*(\d+ ms|[\d.]+ s)\s*attempt 1\s*exit code 3"
        ),
        re.compile(r"✓ completed\s*unsteady\s*(\d+ ms|[\d.]+ s)\s*attempt 2"),
        re.compile(r"✓ completed\s*steady\s*(\d+ ms|[\d.]+ s)"),
    ]
    expect(page.locator(".steps li")).to_have_text(rows)
    page.reload()
    expect(page.locator(".steps li")).to_have_text(rows)
