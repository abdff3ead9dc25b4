"""With DEBUG=on, where browsers get each module and sheet as it is written."""

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

MODULES = """() => performance.getEntriesByType("resource")
  .filter(({ name }) => /\\/js\\/.*\\.js$/.test(name)).length"""
PAGES = {
    "/": 20,
    "/releases": 10,
    "/history": 8,
    "/history?view=figures": 8,
    "/compare?a={one}&b={other}": 8,
    "/tasks/{one}": 40,
    "/tasks/{one}/export": 4,
    "/design": 4,
    "/admin/tasks/task/{one}/change/": 40,
}


@pytest.fixture
def debugged(new_service):
    service = new_service(DEBUG="on")
    service.prepare()
    return service.run()


def test_each_page_runs_from_the_files_as_they_are_written(debugged, chromium):
    names = {name: debugged.create("say") for name in ("one", "other")}
    for task_id in names.values():
        debugged.wait_for(task_id)
    context = chromium.new_context(base_url=debugged.url)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors = []
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(debugged.sign_in_link())
    for path, modules in PAGES.items():
        page.goto(path.format(**names))
        # Shown by a page's module, once it has run.
        expect(page.locator("[data-theme-switch]")).to_be_visible()
        assert page.evaluate(MODULES) >= modules, path
        assert not errors, path
    page.goto("/")
    page.keyboard.press("Control+k")  # a part that is asked for later
    expect(page.locator("#palette").get_by_role("combobox")).to_be_visible()
    context.close()
    assert not errors
