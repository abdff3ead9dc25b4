"""The pages in a real browser, against a real server and a real runner."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def launch(page):
    return page.locator("form[data-launch]:visible")


def test_a_task_is_started_from_the_form_and_watched_to_its_end(
    open_page, service, demo
):
    page = open_page("/?type=check-integrity&version=v884")
    page.get_by_role("button", name="Start check integrity").click()
    expect(watched(page)).to_have_attribute("data-status", "completed")
    task = service.task(watched(page).get_attribute("data-task"))
    expect(page.locator("[data-part=progress]")).to_have_js_property("value", 100)
    expect(page.locator("[data-part=count]")).to_have_text(f"{task['logCount']} lines")
    expect(page.locator(".steps li").last).to_contain_text("Facebook manifest")
    assert page.url == f"{service.url}/tasks/{task['id']}"


def test_lines_appear_while_the_task_runs(open_page, service):
    page = open_page("/?type=slowly")
    launch(page).get_by_role("button").click()
    expect(page.locator("ol.log")).to_contain_text("line 3")
    expect(watched(page)).to_have_attribute("data-status", "running")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    service.request(
        "POST", f"/api/tasks/{watched(page).get_attribute('data-task')}/cancel"
    )
    expect(watched(page)).to_have_attribute("data-status", "cancelled")


def test_a_wrong_value_is_said_beside_its_field(open_page):
    page = open_page("/?type=check-integrity")
    field = launch(page).get_by_label("Version")
    field.fill("885")
    field.press("Enter")
    expect(page.get_by_text("Did you mean v885?")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")


def test_the_list_of_keys_opens_and_closes(open_page):
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_long_task_is_cancelled_after_a_question(open_page, service):
    task_id = service.create("slowly", n="9999")
    service.wait_for(task_id, "running")
    page = open_page(f"/tasks/{task_id}")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Cancel slowly?")
    dialog.get_by_role("button", name="Keep running").click()
    expect(dialog).to_have_count(0)
    assert service.task(task_id)["status"] == "running"
    page.get_by_role("button", name="Cancel task").click()
    dialog.get_by_role("button", name="Cancel task").click()
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(page.get_by_role("button", name="Rerun")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Slowly: cancelled")
    assert service.task(task_id)["status"] == "cancelled"


def test_a_failed_task_says_why_and_is_run_again(open_page, service):
    task_id = service.create("exit-code", code="7")
    error = service.wait_for(task_id)["error"]
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("[data-part=error]")).to_have_text(error)
    page.keyboard.press("r")
    page.get_by_role("dialog").get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: task_id not in url)
    expect(page.locator(".rerun-of")).to_contain_text(task_id[:8])
    expect(watched(page)).to_have_attribute("data-status", "failed")


def make_staff(service, name, password, group="operator"):
    code = (
        "from django.contrib.auth.models import Group, User;"
        f"user = User.objects.create_user('{name}', password='{password}');"
        "user.is_staff = True; user.save();"
        f"user.groups.add(Group.objects.get(name='{group}'))"
    )
    service.manage("shell", "-v0", "-c", code)


def look_again(page):
    """What a page does when one comes back to its tab."""
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")


def test_a_page_whose_session_ended_says_so_and_leads_back_to_itself(
    open_page, service
):
    task_id = service.create("slowly", n="9999")
    page = open_page(f"/tasks/{task_id}")
    expect(page.locator("#signed-out")).to_be_hidden()
    page.context.clear_cookies()
    look_again(page)
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    page.goto(f"{page.url}#L2")
    page.get_by_role("link", name="Sign in again").click()
    expect(page).to_have_url(re.compile(r"/admin/login/\?next="))
    make_staff(service, "carol", "sesame")
    page.get_by_label("Username:").fill("carol")
    page.get_by_label("Password:").fill("sesame")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{service.url}/tasks/{task_id}#L2")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")


def sign_in(page, service, name, group):
    make_staff(service, name, "sesame", group)
    page.context.clear_cookies()
    page.goto(f"{service.url}/admin/login/?next=/")
    page.get_by_label("Username:").fill(name)
    page.get_by_label("Password:").fill("sesame")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{service.url}/")


def test_a_viewer_watches_live_and_is_offered_nothing_to_do(open_page, service):
    page = open_page("/")
    sign_in(page, service, "vera", "viewer")
    expect(page.get_by_role("heading", name="Recent tasks")).to_be_visible()
    expect(page.locator("form[data-launch]")).to_have_count(0)
    task_id = service.create("slowly", n="9999")
    page.goto(f"{service.url}/tasks/{task_id}")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    page.keyboard.press("c")
    page.keyboard.press("r")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    expect(page.locator("[data-part=cancel], [data-part=rerun]")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_operator_reruns_somebody_elses_task_and_does_not_cancel_it(
    open_page, service
):
    page = open_page("/")
    sign_in(page, service, "olga", "operator")
    task_id = service.create("slowly", n="9999")
    page.goto(f"{service.url}/tasks/{task_id}")
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    expect(page.locator("[data-part=cancel]")).to_have_count(0)
    expect(page.locator("[data-part=rerun]")).to_be_hidden()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(page.locator("[data-part=rerun]")).to_be_visible()


@pytest.mark.parametrize("path", ["/tasks/{id}", "/admin/tasks/task/{id}/change/"])
def test_a_stream_refused_for_want_of_a_session_is_no_lost_connection(
    open_page, service, path
):
    task_id = service.create("slowly", n="9999")
    page = open_page("/")
    page.context.route("**/api/streams?*", lambda route: route.fulfill(status=502))
    page.goto(path.format(id=task_id))
    connection = page.locator("[data-part=connection]")
    expect(connection).to_contain_text("disconnected at")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.context.unroute("**/api/streams?*")
    expect(connection).to_have_text("signed out")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    page.context.add_cookies(cookies)
    expect(connection).to_have_text("live")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")


def test_a_page_goes_on_after_signing_in_again_in_another_tab(open_page, service):
    page = open_page("/?type=say")
    page.context.clear_cookies()
    launch(page).get_by_role("button").click()
    expect(
        page.get_by_text("You are signed out. Sign in and try again")
    ).to_be_visible()
    expect(page.locator("#signed-out")).to_be_visible()
    page.context.new_page().goto(service.sign_in_link())
    look_again(page)
    expect(page.locator("#signed-out")).to_be_hidden()
    launch(page).get_by_role("button").click()
    expect(watched(page)).to_have_attribute("data-status", "completed")


def test_the_language_is_switched(open_page):
    page = open_page("/?type=check-integrity")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="启动 检查完整性")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_role("heading", name="检查完整性")).to_be_visible()
    launch(page).get_by_label("版本").fill("new")
    page.keyboard.press("Enter")
    expect(page.get_by_text("格式如 v885。")).to_be_visible()


def test_why_a_task_failed_is_said_in_the_pages_language_at_once(open_page):
    page = open_page("/?type=exit-code", locale="zh-CN")
    launch(page).locator("input[name=code]").fill("7")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=error]")).to_have_text("步骤“fail”失败，退出码 7。")
    expect(watched(page)).to_have_attribute("data-status", "failed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_switched(open_page, scheme):
    page = open_page("/", color_scheme=scheme)
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light, dark = "rgb(242, 244, 247)", "rgb(13, 16, 19)"
    assert page.evaluate(ground) == (light if scheme == "light" else dark)
    switch = page.locator("[data-theme-switch]")
    switch.click()
    assert page.evaluate(ground) == light
    switch.click()
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark


def test_the_admin_shows_a_tasks_live_tail(open_page, service):
    task_id = service.create("slowly", n="9999")
    page = open_page(f"/admin/tasks/task/{task_id}/change/")
    expect(page.locator("ol.log")).to_contain_text("line 5")
    page.get_by_role("button", name="Cancel task").click()
    page.get_by_role("button", name="Cancel task").click()
    expect(page.locator(".messagelist")).to_contain_text("is being cancelled")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")


def test_without_script_a_task_is_started_and_read(open_page, service):
    page = open_page("/?type=say", java_script_enabled=False)
    launch(page).locator("input[name=text]").fill("no script here")
    launch(page).get_by_role("button").click()
    page.wait_for_url("**/tasks/*")
    task_id = page.url.rpartition("/")[2]
    service.wait_for(task_id)
    page.reload()
    expect(page.locator("ol.log")).to_contain_text("no script here")
    expect(page.locator(".task-head .status")).to_contain_text("completed")


@pytest.mark.parametrize("path", ["/", "/tasks/{id}", "/admin/tasks/task/{id}/change/"])
def test_a_narrow_page_does_not_scroll_sideways(open_page, service, path):
    task_id = service.create("say")
    service.wait_for(task_id)
    page = open_page(path.format(id=task_id), viewport={"width": 390, "height": 800})
    expect(watched(page).or_(page.locator("#recent")).first).to_be_visible()
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
