"""A task's page in a real browser: what goes on beside the log, and what happens when
something dies."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.waiting import wait_until

from .barriers import barriers
from .conftest import PATIENCE_MS, watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


@pytest.fixture
def stopped_later(service):
    """Tasks that are put here are cancelled at the end."""
    tasks = []
    yield tasks
    for task_id in tasks:
        service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})
        service.wait_for(task_id)


@pytest.fixture
def running(service, stopped_later):
    """A task that prints a line now and then."""
    task_id = service.create("slowly", n="9999")
    stopped_later.append(task_id)
    service.wait_for(task_id, "running")
    return task_id


@pytest.fixture
def visit(chromium):
    """Opens a page of a product of the test's own, signed in."""
    contexts = []

    def make(service, path):
        context = chromium.new_context(base_url=service.url)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(service.sign_in_link())
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()


def connection(page):
    return page.locator("[data-part=connection]")


TOOK = r"(\d+ ms|[\d.]+ s)"  # as long as a busy machine takes


def steps(page):
    """One row for each step, and for each attempt of one."""
    return page.get_by_role("list", name="Steps").get_by_role("listitem")


def open_details(page):
    page.locator(".more-facts > summary").click()


def wait_for_line(page, words):
    expect(page.locator("ol.log")).to_contain_text(words)


# --- Beside the log -----------------------------------------------------------------


def test_steps_are_live_with_their_durations(open_page, service):
    task_id = service.create("flaky")
    page = open_page(f"/tasks/{task_id}")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    rows = steps(page)
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text(
        re.compile(rf"failed\s+unsteady\s+{TOOK}\s+attempt 1\s+exit code 3")
    )
    expect(rows.nth(1)).to_contain_text(re.compile(rf"unsteady\s+{TOOK}\s+attempt 2"))
    expect(rows.nth(2)).to_contain_text(re.compile(rf"✓ completed\s+steady\s+{TOOK}"))
    expect(rows.nth(2)).not_to_contain_text("exit code")


def test_a_running_step_says_how_long_it_has_run(open_page, running):
    page = open_page(f"/tasks/{running}")
    time = page.locator("[data-running-since]")
    expect(time).to_have_text(re.compile(r"^[1-9] s$"))
    before = time.text_content()
    expect(time).not_to_have_text(before)
    page.get_by_role("link", name="slowly").first.click()
    expect(page).to_have_url(re.compile("#L1$"))
    expect(page.locator("#L1.chosen")).to_be_in_viewport()


def test_rerun_with_changes_leads_to_the_filled_form(open_page, service):
    task_id = service.create("exit-code", code="3")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    page.get_by_role("link", name="Run again with changes").click()
    field = page.locator("input[name=code]:visible")
    expect(field).to_have_value("3")
    field.fill("0")
    field.press("Enter")
    expect(page.locator(".rerun-of")).to_contain_text(
        f"Rerun of {task_id[:8]} with changes, started "
    )
    expect(watched(page)).to_have_attribute("data-status", "completed")
    task = service.task(watched(page).get_attribute("data-task"))
    assert task["rerunOf"] == task_id


def test_a_rerun_is_linked_with_what_it_repeats(open_page, service):
    task_id = service.create("exit-code", code="3")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    page.keyboard.press("r")
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Run Exit code again?")
    expect(question).to_contain_text("It runs: fail; live now: ")
    expect(question.get_by_text("Don't run")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    page.get_by_role("button", name="Rerun", exact=True).click()
    question.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: task_id not in url)
    expect(page.locator(".rerun-of")).to_have_text(
        re.compile(f"Rerun of {task_id[:8]}, started (just now|\\d+ s ago)")
    )
    open_details(page)
    expect(page.locator(".chain")).to_contain_text("this one")
    page.locator(".chain").get_by_role("link", name=task_id[:8]).click()
    expect(page).to_have_url(re.compile(task_id))
    expect(page.locator(".chain li")).to_have_count(2)


def reruns_of(service, task_id):
    tasks = service.request("GET", "/api/tasks?limit=100").json()["tasks"]
    return [task for task in tasks if task["rerunOf"] == task_id]


@pytest.fixture
def rolled_back(service, demo):
    """A rollback to v884 that is over."""
    for version in ("v884", "v885"):
        service.wait_for(service.create("full-sync", version=version, guard="100"))
    task_id = service.create("rollback", version="v884")
    assert service.wait_for(task_id)["status"] == "completed"
    return task_id


def test_a_rollback_runs_again_only_when_its_version_was_typed(
    open_page, service, rolled_back
):
    page = open_page(f"/tasks/{rolled_back}", locale="zh-CN")
    page.keyboard.press("r")
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("它会让 v884 在 iOS、Android、Facebook 上重新上线")
    expect(question).to_contain_text("当前线上：v884。")
    field = question.get_by_role("textbox")
    expect(field).to_be_focused()
    field.fill("v885")
    field.press("Enter")
    expect(question).to_contain_text("请输入 v884 以确认。")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert reruns_of(service, rolled_back) == []
    page.keyboard.press("r")
    field.fill("v884")
    field.press("Enter")
    page.wait_for_url(lambda url: rolled_back not in url)
    expect(watched(page)).to_have_attribute("data-status", "completed")
    assert len(reruns_of(service, rolled_back)) == 1


def test_without_script_the_question_is_a_page(open_page, service):
    task_id = service.create("exit-code", code="3")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}", java_script_enabled=False)
    page.get_by_role("button", name="Rerun", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run Exit code again?")
    page.get_by_role("link", name="Don't run").click()
    expect(page).to_have_url(f"{service.url}/tasks/{task_id}")
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".rerun-of")).to_contain_text(f"Rerun of {task_id[:8]}")
    assert len(reruns_of(service, task_id)) == 1


def test_an_act_that_gets_no_answer_says_why_and_goes_on(open_page, service):
    task_id = service.create("exit-code", code="3")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    waiting = []
    page.route("**/rerun", lambda route: waiting.append(route))
    page.get_by_role("button", name="Rerun", exact=True).click()
    problem = page.locator("[data-part=problem]")
    expect(problem).to_contain_text(
        "No response yet. Either the server is not responding, or"
    )
    waiting.pop().continue_()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Run Exit code again?")
    expect(problem).to_be_hidden()
    run = question.get_by_role("button", name="Run again")
    run.click()
    expect(question.get_by_role("alert")).to_contain_text("No response yet")
    run.click(force=True)
    assert len(waiting) == 1  # it is not sent twice
    waiting.pop().abort()
    expect(question.get_by_role("alert")).to_contain_text("can't be reached")
    assert reruns_of(service, task_id) == []


def test_a_step_is_drawn_from_the_stream_before_the_server_is_asked(
    open_page, service, stopped_later
):
    page = open_page("/")
    page.route("**/facts", lambda route: route.abort())
    task_id = service.create("forging")
    stopped_later.append(task_id)
    page.goto(f"/tasks/{task_id}")
    rows = steps(page)
    expect(rows.nth(0)).to_contain_text(re.compile(rf"✓ completed\s+first\s+{TOOK}"))
    expect(rows.nth(1)).to_contain_text(re.compile(r"● running\s+second"))


def test_no_progress_is_shown_where_none_is_known(open_page, service, running):
    page = open_page(f"/tasks/{running}")
    wait_for_line(page, "line 3")
    expect(page.locator("[data-part=percent]")).to_be_hidden()
    expect(page.get_by_role("progressbar", name="Progress", exact=True)).to_be_hidden()
    task_id = service.create("progressing", n="300", pause="0.01")
    page.goto(f"/tasks/{task_id}")
    expect(page.get_by_role("progressbar", name="Progress", exact=True)).to_be_visible()


def test_time_left_comes_from_tasks_before(open_page, service, stopped_later):
    for _ in range(3):
        service.wait_for(service.create("slowly", n="3", pause="1"))
    task_id = service.create("slowly", n="9999")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("[data-part=left]")).to_have_text(
        re.compile("longer than usual")
    )


def open_later(page, path, seconds):
    """Open a page that takes the server's clock for so much later than it is."""

    def answer(route):
        response = route.fetch()
        text = re.sub(
            r'data-now="(\d+)"',
            lambda found: f'data-now="{int(found[1]) + seconds}"',
            response.text(),
        )
        route.fulfill(response=response, body=text)

    page.route(f"**{path}", answer)
    page.goto(path)


def test_a_step_that_is_slower_than_usual_says_so_while_it_runs_and_after(
    open_page, service, stopped_later
):
    for _ in range(3):
        service.wait_for(service.create("slowly", n="1", pause="0"))
    task_id = service.create("slowly", n="5000", pause="0.1")
    stopped_later.append(task_id)
    page = open_page(f"/tasks/{task_id}")
    step = page.locator(".steps li")
    slower = re.compile(r"^[\d,]+ % slower than usual$")
    expect(step.locator(".slower")).to_have_text(slower)
    band = step.locator(".band")
    expect(band).to_have_attribute("width", re.compile(r"^[\d.]+%$"))
    # What is usual ends before a step that is slower.
    ends = """rail => {
      const end = (part) => part.x.baseVal.value + part.width.baseVal.value;
      return [end(rail.querySelector(".band")), end(rail.querySelector(".spent"))];
    }"""
    usual_end, end = step.evaluate(ends)
    assert 0 < usual_end < end
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    service.wait_for(task_id)
    expect(page.locator(".task")).to_have_attribute("data-status", "cancelled")
    expect(step.locator(".slower")).to_have_text(slower)


def test_a_silence_is_said_with_what_is_usual_for_its_step(
    open_page, service, stopped_later
):
    silent = service.create("musing", name="never")
    stopped_later.append(silent)
    service.wait_for(silent, "running")
    page = open_page("/")
    open_later(page, f"/tasks/{silent}", 240)
    # Nobody knows yet what is usual.
    expect(connection(page)).to_have_text(re.compile(r"^no output for 4 m \d+ s$"))
    for _ in range(3):
        service.wait_for(service.create("musing", name="task_types.toml"))
    page.reload()
    said = re.compile(r"^no output for 4 m \d+ s; usually at most \d s here$")
    expect(connection(page)).to_have_text(said)
    left = page.locator("[data-part=left]")
    expect(left).to_have_text("longer than usual (1 s)")
    page.unroute_all()
    page.reload()
    expect(connection(page)).to_have_text("live")


def test_only_a_line_ends_the_silence_of_a_stall(open_page, service, stopped_later):
    task_id = service.create("brooding")
    stopped_later.append(task_id)
    service.wait_for(task_id, "running")
    page = open_page("/")
    open_later(page, f"/tasks/{task_id}", 240)
    expect(connection(page)).to_have_text("live")
    (service.data_dir / f"{task_id}.quiet").touch()
    stalled = page.locator("[data-part=stalled]")
    expect(stalled).to_have_text(re.compile(r"^No output since [\d:]+ \(4 m \d+ s\)$"))
    silence = re.compile(r"^no output for 4 m \d+ s")
    expect(connection(page)).to_have_text(silence)
    (service.data_dir / f"{task_id}.idea").touch()
    expect(page.locator("[data-part=percent]")).to_have_text("50 %")
    expect(stalled).to_be_hidden()
    expect(connection(page)).not_to_have_text(connection(page).inner_text())
    expect(connection(page)).to_have_text(silence)
    (service.data_dir / f"{task_id}.word").touch()
    wait_for_line(page, "aha")
    expect(connection(page)).to_have_text("live")


def test_a_log_without_lines_says_what_it_is(open_page, service, stopped_later):
    gate = service.create("gate")
    stopped_later.append(gate)
    service.wait_for(gate, "running")
    task_id = service.create("three-steps")
    page = open_page(f"/tasks/{task_id}")
    expect(page.get_by_text("Output appears here.")).to_be_visible()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(page.get_by_text("The task produced no output.")).to_be_visible()


def test_the_result_is_a_table_when_the_task_has_ended(open_page, service):
    output = '::set-output name=ios,type=json::{"new": 1200, "bytes": 4300000}\n'
    (service.data_dir / "outputs").write_text("hello\n" * 3 + output)
    task_id = service.create("show", name="outputs")
    page = open_page(f"/tasks/{task_id}")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    table = page.get_by_role("table", name="Result")
    expect(table.get_by_role("columnheader", name="iOS")).to_be_visible()
    expect(table.get_by_role("row", name="new files")).to_contain_text("1,200")
    expect(table.get_by_role("row", name="total size")).to_contain_text("4.3 MB")
    raw = page.get_by_role("link", name="JSON")
    expect(raw).to_have_attribute("href", f"/api/tasks/{task_id}")


def a_full_syncs_result(service):
    """A task with all that a full sync tells of its three platforms."""
    numbers = ("filesChecked", "failed", "new", "reused", "bytes", "bytesReused")
    names = (*numbers, "bytesUploaded", "copied")
    told = {"version": "v885", "served": "v885", "previous": "v884"}
    told |= dict.fromkeys(names, 123_456_789)
    lines = [
        f"::set-output name={platform},type=json::{json.dumps(told)}\n"
        for platform in ("ios", "android", "facebook")
    ]
    (service.data_dir / "outputs").write_text("".join(lines))
    task_id = service.create("like-full-sync", version="v885")
    service.wait_for(task_id)
    return task_id


def share_of_the_log(page):
    """How much of the window's height the lines have."""
    lines = page.locator("[data-part=scroll]").bounding_box()
    return lines["height"] / page.viewport_size["height"]


@pytest.mark.parametrize("size", [(1200, 900), (1366, 768)])
def test_the_log_is_the_page_and_all_of_the_result_is_in_sight(
    open_page, service, size
):
    task_id = a_full_syncs_result(service)
    page = open_page(
        f"/tasks/{task_id}", viewport={"width": size[0], "height": size[1]}
    )
    table = page.get_by_role("table", name="Result")
    for place in (table.locator("tr").last, table.get_by_role("columnheader").last):
        expect(place).to_be_in_viewport(ratio=1)
    assert share_of_the_log(page) >= 0.6
    for part in ("progress", "percent", "step"):  # it is as far as it gets
        expect(page.locator(f"[data-part={part}]")).to_be_hidden()
    top = page.locator("[data-part=scroll]").bounding_box()["y"]
    open_details(page)
    expect(page.get_by_text(task_id)).to_be_visible()
    assert page.locator("[data-part=scroll]").bounding_box()["y"] == top


def test_the_log_is_the_page_while_the_task_runs(open_page, running):
    page = open_page(f"/tasks/{running}", viewport={"width": 1366, "height": 768})
    wait_for_line(page, "line 3")
    assert page.locator(".task-head").bounding_box()["height"] == 48
    assert share_of_the_log(page) >= 0.6
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("line 3", exact=True)).to_be_visible()
    for tools in (".acts", ".log-bar", ".top"):
        expect(page.locator(tools).first).to_be_hidden()


def test_a_failure_is_told_in_a_chats_own_marks(open_page, service):
    task_id = service.create("breaks")
    page = open_page(f"/tasks/{task_id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.locator("[data-part=cause]")).to_have_text("KeyError: 'sprites'")
    expect(page.locator("[data-part=error]")).to_have_text(
        "Step “break” failed with exit code 1."
    )
    line = f"{service.url}/tasks/{task_id}#L6"
    told = {
        "Slack": [
            "*✕ Breaks: failed*",
            "> KeyError: 'sprites'",
            "Step “break” failed with exit code 1. · key in API_KEY",
            f"<{line}|Open at line 6>",
        ],
        "Feishu": [
            "**✕ Breaks: failed**",
            "> KeyError: 'sprites'",
            "Step “break” failed with exit code 1. · key in API_KEY",
            f"[Open at line 6]({line})",
        ],
    }
    menu = page.get_by_text("Copy for chat")
    for chat, lines in told.items():
        menu.click()
        page.get_by_role("button", name=chat).click()
        expect(page.locator("#announcer")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "\n".join(lines)
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="WeCom")).to_be_hidden()
    message = """async ([chat, facts]) => {
        const { messageFor } = await import("/static/js/chat_message.js");
        return messageFor(chat, facts);
    }"""
    facts = dict.fromkeys(("headline", "sentence", "by", "url"), "a & <b>")
    facts |= {"cause": "", "link": "[x]"}
    slack = page.evaluate(message, ["slack", facts])
    assert slack.startswith("*a &amp; &lt;b&gt;*\na &amp; &lt;b&gt;")
    dingtalk = page.evaluate(message, ["dingtalk", facts])
    assert dingtalk == "**a & <b>**\n\na & <b> · a & <b>\n\n[x](a & <b>)"
    page.get_by_role("link", name="Go to line 6").click()
    expect(page.locator("#L6.chosen")).to_be_in_viewport()


def test_on_a_phone_the_title_is_one_line(open_page, service):
    task_id = a_full_syncs_result(service)
    page = open_page(f"/tasks/{task_id}", viewport={"width": 412, "height": 800})
    expect(page.get_by_role("link", name="Run again with changes")).to_be_visible()
    title = page.get_by_role("heading", level=1)
    assert title.bounding_box()["height"] < 2 * 32  # its line height


# --- Whoever looks elsewhere ----------------------------------------------------------

# What the browser would show to people, in a list instead.
NOTES = """
    window.notes = [];
    window.Notification = class extends EventTarget {
        static permission = "default";
        static async requestPermission() { return this.permission = "granted"; }
        constructor(title, { body }) { super(); window.notes.push([title, body]); }
    };
"""
LOOK_AWAY = """
    Object.defineProperty(document, 'hidden', {get: () => window.away ?? false});
"""


def test_a_notification_that_was_asked_for_tells_of_the_end(open_page, service):
    page = open_page("/")
    page.add_init_script(NOTES + LOOK_AWAY)
    task_id = service.create("slowly", n="9999")
    page.goto(f"/tasks/{task_id}")
    button = page.get_by_role("button", name="Notify me")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_title(re.compile("^● Slowly"))
    page.evaluate("window.away = true")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(page).to_have_title("⊘ Slowly: cancelled")
    assert page.evaluate("window.notes") == [
        ["⊘ Slowly: cancelled", service.task(task_id)["error"]]
    ]
    expect(button).to_be_hidden()
    page.evaluate("window.away = false")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title(re.compile("^⊘ Slowly ·"))


def test_who_asked_for_no_notification_gets_none(open_page, service):
    page = open_page("/")
    page.add_init_script(NOTES)
    task_id = service.create("say")
    page.goto(f"/tasks/{task_id}")
    expect(watched(page)).to_have_attribute("data-status", "completed")
    assert page.evaluate("window.notes") == []


# --- When something dies --------------------------------------------------------------


def test_a_dead_connection_is_noticed_and_no_clock_goes_on(open_page, running):
    page = open_page("/")
    page.clock.install()
    page.goto(f"/tasks/{running}")
    expect(connection(page)).to_have_text("live")
    wait_for_line(page, "line 3")
    page.context.route("**/api/streams?*", lambda route: route.abort())
    # The server's answers stay away, though the connection still seems to be there.
    page.evaluate("() => { EventSource.prototype.dispatchEvent = () => true; }")
    lost = re.compile(r"^disconnected at \d\d:\d\d:\d\d, reconnecting…$")

    def is_lost():
        # A line that comes in the very moment of the jump is heard after it.
        page.clock.fast_forward(300_000)
        return lost.match(connection(page).text_content())

    wait_until(is_lost, "the page notices that nothing comes")
    elapsed = page.locator("[data-part=elapsed]").text_content()
    running_for = page.locator("[data-running-since]").text_content()
    page.clock.fast_forward(7_000)
    assert page.locator("[data-part=elapsed]").text_content() == elapsed
    assert page.locator("[data-running-since]").text_content() == running_for
    page.context.unroute("**/api/streams?*")
    page.clock.fast_forward(20_000)
    expect(connection(page)).to_have_text("live")
    expect(page.locator("[data-part=elapsed]")).not_to_have_text(elapsed)


def test_a_restart_of_the_web_server_costs_no_line_and_no_place(new_service, visit):
    service = new_service()
    service.prepare()
    service.run()
    task_id = service.create("slowly", n="9999", pause="0.05")
    page = visit(service, f"/tasks/{task_id}")
    wait_for_line(page, "line 40")
    page.keyboard.press("g")
    expect(page.locator("#L5")).to_be_in_viewport()
    service.kill("web")
    expect(connection(page)).to_have_text(re.compile("disconnected at"))
    service.start("web")
    expect(connection(page)).to_have_text("live")
    expect(page.locator("#L5")).to_be_in_viewport()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    count = service.task(task_id)["logCount"]
    expect(page.locator("[data-part=count]")).to_have_text(f"{count} lines")
    seqs = set()
    for seq in range(1, count + 1, 20):
        page.evaluate("hash => { location.hash = hash; }", f"#L{seq}")
        expect(page.locator(f"#L{seq}.chosen")).to_be_in_viewport()
        rows = page.locator("ol.log li:not(.absent)")
        seqs |= set(rows.evaluate_all("rows => rows.map(row => +row.id.slice(1))"))
    assert seqs == set(range(1, count + 1))


def test_a_killed_runner_is_told_of(new_service, visit):
    service = new_service()
    service.prepare()
    service.run()
    task_id = service.create("slowly", n="9999")
    service.wait_for(task_id, "running")
    page = visit(service, f"/tasks/{task_id}")
    wait_for_line(page, "line 3")
    service.kill("runner")
    service.start("runner")
    expect(watched(page)).to_have_attribute("data-status", "failed")
    error = page.locator("[data-part=error]")
    expect(error).to_contain_text("stopped at about")
    expect(page.get_by_role("button", name="Rerun", exact=True)).to_be_visible()


# --- By keyboard, and for everybody ---------------------------------------------------


def test_the_page_is_used_by_keyboard_alone(open_page, service):
    task_id = service.create("count", n="2000")
    service.wait_for(task_id)
    page = open_page(f"/tasks/{task_id}")
    press = page.keyboard.press
    press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("next and previous match")
    assert dialog.bounding_box()["width"] < page.viewport_size["width"] / 2
    press("Escape")
    press("g")
    expect(page.locator("#L1")).to_be_in_viewport()
    press("Shift+G")
    expect(page.locator("#L2002")).to_be_in_viewport()
    press("f")
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    press("f")
    expect(follow).to_have_attribute("aria-pressed", "true")
    press("w")
    wrap = page.get_by_role("button", name="Wrap")
    expect(wrap).to_have_attribute("aria-pressed", "false")
    press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("1234")
    expect(page.locator("[data-part=found]")).to_have_text("1 of 1")
    press("Escape")
    expect(page.locator("[data-part=found]")).to_have_text("")
    press("Escape")
    expect(page.locator(".log-scroll")).to_be_focused()
    press("r")
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Run Count again?")
    expect(question.get_by_text("Don't run")).to_be_focused()
    press("Tab")
    press("Enter")
    page.wait_for_url(lambda url: task_id not in url)


def test_a_task_is_cancelled_by_keyboard(open_page, running):
    page = open_page(f"/tasks/{running}")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel Slowly?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nobody_is_kept_out_of_a_tasks_page(open_page, service, scheme, width):
    text = (
        "\x1b[31mred\x1b[0m \x1b[33myellow\x1b[0m \x1b[36mcyan\x1b[0m\n"
        "\x1b[1;97;44mwhite on blue\x1b[0m \x1b[90mgrey\x1b[0m\n"
        "::group::Part 1\ninside\n::endgroup::\n::error::no space left\n"
        '::set-output name=ios,type=json::{"new": 1200}\n'
    )
    (service.data_dir / "axe.txt").write_text(text)
    task_id = service.create("show", name="axe.txt")
    service.wait_for(task_id)
    page = open_page(
        f"/tasks/{task_id}?q=inside#L2-L3",
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    expect(page.locator("[data-part=found]")).to_have_text("1 match")
    assert barriers(page) == []
    width_used = page.evaluate("document.documentElement.scrollWidth")
    assert width_used <= width


def test_nobody_is_kept_out_of_a_running_tasks_page(open_page, running):
    page = open_page(f"/tasks/{running}", locale="zh-CN")
    wait_for_line(page, "line 3")
    assert barriers(page) == []
