"""That nobody is kept out of the admin: each page that staff use, bright and dark."""

import uuid

import pytest
from playwright.sync_api import expect

from .barriers import barriers

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PAGES = {
    "front page": "/admin/",
    "our part of it": "/admin/tasks/",
    "tasks": "/admin/tasks/task/",
    "tasks of a person": "/admin/tasks/task/?created_by=key:bootstrap&q=e",
    "no tasks": "/admin/tasks/task/?q=nothing-like-it",
    "tasks of a day": "/admin/tasks/task/?{day}",
    "ended task": "/admin/tasks/task/{ended}/change/",
    "failed task": "/admin/tasks/task/{failed}/change/",
    "waiting task": "/admin/tasks/task/{waiting}/change/",
    "cancel": "/admin/tasks/task/{waiting}/cancel/",
    "audit trail": "/admin/tasks/auditevent/",
    "audit event": "/admin/tasks/auditevent/{event}/change/",
    "keys": "/admin/tasks/apikey/",
    "new key": "/admin/tasks/apikey/add/",
    "key": "/admin/tasks/apikey/{key}/change/",
    "runners": "/admin/tasks/runner/",
    "runner": "/admin/tasks/runner/{runner}/change/",
    "users": "/admin/auth/user/",
    "new user": "/admin/auth/user/add/",
    "user": "/admin/auth/user/{user}/change/",
    "groups": "/admin/auth/group/",
    "new group": "/admin/auth/group/add/",
    "new password": "/admin/password_change/",
}


@pytest.fixture(scope="module")
def there_is(service):
    """What the pages' addresses name; a task of each kind, a key, one day of tasks."""
    ended, failed = (
        service.create("count", n="3"),
        service.create("exit-code", code="7"),
    )
    for task_id in (ended, failed):
        service.wait_for(task_id)
    running = service.create("gate")
    service.wait_for(running, "running")
    waiting = service.create("gate")
    service.manage("create_api_key", "doorbell")
    code = (
        "from django.contrib.auth.models import User; from tasks.models import *;"
        "print(*(m.objects.first().pk for m in (AuditEvent, ApiKey, Runner, User)))"
    )
    said = service.manage("shell", "-v0", "-c", code).stdout.split()
    created = service.task(ended)["createdAt"]
    parts = zip(("year", "month", "day"), created[:10].split("-"), strict=True)
    yield {
        "ended": ended,
        "failed": failed,
        "waiting": waiting,
        **dict(zip(("event", "key", "runner", "user"), said[-4:], strict=True)),
        "day": "&".join(f"created_at__{name}={int(text)}" for name, text in parts),
    }
    for task_id in (waiting, running):
        service.request("POST", f"/api/tasks/{task_id}/cancel")
        service.wait_for(task_id)


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_axe_finds_nothing_serious_in_the_admin(open_page, there_is, path):
    page = open_page("about:blank")
    assert page.goto(path.format(**there_is)).status == 200
    assert barriers(page) == []


def test_axe_finds_nothing_serious_in_the_answers_to_forms(open_page, there_is):
    page = open_page("/admin/tasks/apikey/add/")
    page.get_by_label("Allowed IPs").fill("nowhere")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    assert barriers(page) == []
    name = f"key {uuid.uuid4()}"
    page.get_by_label("Name").fill(name)
    page.get_by_label("Allowed IPs").fill("")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#new-key")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="Back to API keys").click()
    page.locator("#result_list").get_by_role("link", name=name).click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("This cannot be undone")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".messagelist")).to_contain_text("no longer works")
    assert barriers(page) == []


def test_axe_finds_nothing_serious_at_the_door(open_page):
    page = open_page("/admin/")
    page.context.clear_cookies()
    page.goto("/admin/")
    expect(page.locator("#id_username")).to_be_visible()
    assert barriers(page) == []
    page.locator("#id_username").fill("nobody")
    page.locator("#id_password").fill("nothing")
    page.locator("input[type=submit]").click()
    expect(page.locator(".errornote")).to_be_visible()
    assert barriers(page) == []
