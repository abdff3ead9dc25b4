"""Many pages of one browser, over HTTP/1.1: they share one connection to the server."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Error, expect

from tests.waiting import wait_until

from .conftest import PATIENCE_MS, watched

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

# A reader beside the page's own, which notes what it is given; by the page's modules.
READ = """async task => {
    const {TaskStream} = $modules["js/stream.js"];
    const seen = window.seen ??= {};
    const read = seen[task] = {seqs: [], latency: [], statuses: []};
    const note = ({status}) => read.statuses.push(status);
    const nothing = () => {};
    read.stream = new TaskStream(task, 0, {
        connected: note,
        update: note,
        line: ({seq, timestamp}) => {
            read.seqs.push(seq);
            read.latency.push(Date.now() - Date.parse(timestamp));
        },
        end: () => { read.ended = true; },
        lost: () => { read.lost = true; },
        back: nothing,
        refused: nothing,
        degraded: nothing,
        rested: () => { read.rested = true; },
        gone: nothing,
    });
}"""
# What the browser would show to people, in a list instead.
NOTES = """
    window.notes = [];
    window.Notification = class extends EventTarget {
        static permission = "default";
        static async requestPermission() { return this.permission = "granted"; }
        constructor(title) { super(); window.notes.push(title); }
    };
"""
LOOK = """isAway => {
    Object.defineProperty(document, "hidden", {value: isAway, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""

HANG = """() => setTimeout(() => {
    const end = Date.now() + 20000;
    while (Date.now() < end);
})"""


class Browser:
    """The pages of one browser, and the connections that they hold open."""

    def __init__(self, context, url):
        self.context, self.url = context, url
        self.open, self.errors = {}, []
        self.active = None  # a page that lets Playwright tell what happened
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", self._on_request)
        for end in ("requestfailed", "requestfinished"):
            context.on(end, lambda request: self.open.pop(request, None))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _on_request(self, request):
        if request.resource_type == "eventsource":
            self.open[request] = request.frame.page

    def _forget(self, page):
        self.open = {r: holder for r, holder in self.open.items() if holder != page}

    def page(self, path):
        page = self.context.new_page()
        for end in ("close", "crash"):
            page.on(end, self._forget)
        page.goto(self.url + path)
        return page

    def pages(self, tasks):
        """One for each task, live."""
        pages = [self.page(f"/tasks/{task}") for task in tasks]
        for page in pages:
            expect(connection(page)).to_have_text("live")
        return pages

    @property
    def streams(self):
        """What is asked for by each connection that is open."""
        return [
            parse_qs(urlsplit(request.url).query)["source"] for request in self.open
        ]

    @property
    def leader(self):
        """The page that holds the connection."""
        wait_until(lambda: self.settle() == 1, "one connection")
        return next(iter(self.open.values()))

    def settle(self):
        (self.active or self.context.pages[-1]).wait_for_timeout(50)
        return len(self.open)


def connection(page):
    return page.locator("[data-part=connection]")


def read(page, task):
    """Let a page read a task from its first line on, beside what it shows."""
    page.evaluate(READ, task)


def seen(page, task):
    return page.evaluate("task => window.seen[task].seqs", task)


def is_exact(page, task, more=0):
    """Wait until a page was given some more lines; each was there once, in order."""
    count = len(seen(page, task)) + more
    wait_until(lambda: len(seen(page, task)) >= count, f"{more} more lines")
    seqs = seen(page, task)
    assert seqs == list(range(1, len(seqs) + 1))


def cancelled(service, page, task):
    """Cancel a task; the page was given the whole log, and shows the end."""
    service.request("POST", f"/api/tasks/{task}/cancel")
    expect(watched(page)).to_have_attribute("data-status", "cancelled")
    wait_until(lambda: page.evaluate("task => window.seen[task].ended", task), "end")
    count = service.wait_for(task)["logCount"]
    assert seen(page, task) == list(range(1, count + 1))
    expect(page.locator("[data-part=count]")).to_have_text(re.compile(rf"^{count}\b"))


@pytest.fixture
def new_browser(chromium):
    browsers = []

    def make(service, **options):
        context = chromium.new_context(**options)
        browsers.append(Browser(context, service.url))
        return browsers[-1]

    yield make
    for browser in browsers:
        browser.context.close()
        assert not browser.errors


@pytest.fixture
def browser(new_browser, service, signed_in):
    return new_browser(service, storage_state=signed_in)


@pytest.fixture
def create(service):
    """Starts tasks that print a line now and then, until they are cancelled."""
    made = []

    def create(count):
        tasks = [service.create("slowly", n="9999", pause="0.2") for _ in range(count)]
        made.extend(tasks)
        for task in tasks:
            service.wait_for(task, "running")
        return tasks

    yield create
    for task in made:
        service.request("POST", f"/api/tasks/{task}/cancel", json={"force": True})
        service.wait_for(task)


# --- Eight pages --------------------------------------------------------------------


def test_eight_pages_of_eight_tasks_share_one_connection_and_leave_the_others_free(
    browser, service, create
):
    tasks = create(8)
    pages = browser.pages(tasks[:7])
    cookie = {"name": "django_language", "value": "zh-hans", "url": service.url}
    browser.context.add_cookies([cookie])
    pages.append(browser.page(f"/tasks/{tasks[7]}"))
    expect(connection(pages[7])).to_have_text("实时")
    for page, task in zip(pages, tasks, strict=True):
        read(page, task)
    for page, task in zip(pages, tasks, strict=True):
        is_exact(page, task, 5)
    assert browser.leader in pages
    (sources,) = browser.streams
    assert {source.partition(":")[0] for source in sources} == set(tasks)
    ninth = browser.page("/")
    expect(connection(ninth)).to_have_text("实时")
    pages[1].keyboard.press("/")
    pages[1].keyboard.type("line 1")
    found = re.compile(r"^\d+ of \d+$")
    expect(pages[1].locator("[data-part=found]")).to_have_text(found)
    pages[0].keyboard.press("c")
    pages[0].get_by_role("dialog").get_by_role("button", name="Cancel task").click()
    for page, task in zip(pages, tasks, strict=True):
        cancelled(service, page, task)
    assert browser.leader == ninth


# --- When the page with the connection is gone --------------------------------------


def closes(page):
    page.close()


def navigates(page):
    page.goto("about:blank")


def crashes(page):
    page.context.new_cdp_session(page).send("Page.enable")
    with page.expect_event("crash"), pytest.raises(Error):
        page.goto("chrome://crash")


def freezes(page):
    """What a browser says first; it freezes no page that Playwright looks at."""
    page.evaluate("document.dispatchEvent(new Event('freeze'))")


def is_kept_for_the_way_back(page):
    """As a browser does that keeps the page as it is."""
    page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))"
    )


def is_hidden(page):
    page.evaluate(LOOK, True)


@pytest.mark.parametrize(
    "ends",
    [closes, navigates, crashes, freezes, is_kept_for_the_way_back, is_hidden],
)
def test_another_page_takes_over_and_all_go_on_where_they_were(
    browser, service, create, ends
):
    tasks = create(3)
    pages = browser.pages(tasks)
    for page, task in zip(pages, tasks, strict=True):
        read(page, task)
    leader = browser.leader
    others = [(p, t) for p, t in zip(pages, tasks, strict=True) if p != leader]
    browser.active = others[0][0]
    ends(leader)
    wait_until(lambda: browser.settle() == 1 and browser.leader != leader, "another")
    wait_until(
        lambda: browser.settle() == 1 and len(browser.streams[0]) == 4,
        "a connection for those that are left",
    )
    for page, task in others:
        is_exact(page, task, 5)
    for page, task in others:
        cancelled(service, page, task)


@pytest.mark.parametrize("ends", [closes, crashes])
def test_what_only_a_page_that_is_gone_wanted_is_let_go(browser, create, ends):
    tasks = create(2)
    pages = browser.pages(tasks)
    leader = browser.leader
    task = tasks[pages.index(leader)]
    wait_until(lambda: browser.settle() and len(browser.streams[0]) == 2, "both")
    browser.active = leader
    ends(next(page for page in pages if page != leader))
    wait_until(
        lambda: (
            browser.settle() == 1 and [x[:36] for x in browser.streams[0]] == [task]
        ),
        "a connection for the page that is left",
    )


def test_a_page_that_hangs_loses_the_lead_and_follows_when_it_is_back(
    browser, service, create
):
    tasks = create(2)
    pages = browser.pages(tasks)
    for page, task in zip(pages, tasks, strict=True):
        read(page, task)
        is_exact(page, task, 1)
    hung = browser.leader
    task = tasks[pages.index(hung)]
    other, others = next((p, t) for p, t in zip(pages, tasks, strict=True) if p != hung)
    browser.active = other
    hung.evaluate(HANG)
    wait_until(lambda: other in (browser.settle(), *browser.open.values()), "the lead")
    is_exact(other, others, 5)
    is_exact(hung, task, 5)
    assert browser.leader == other
    cancelled(service, hung, task)
    cancelled(service, other, others)


def test_a_restart_of_the_web_server_costs_no_page_a_line(new_service, new_browser):
    service = new_service()
    service.prepare()
    service.run()
    tasks = [service.create("slowly", n="9999", pause="0.1") for _ in range(3)]
    browser = new_browser(service)
    browser.context.new_page().goto(service.sign_in_link())
    pages = browser.pages(tasks)
    for page, task in zip(pages, tasks, strict=True):
        read(page, task)
        is_exact(page, task, 1)
    service.kill("web")
    for page in pages:
        expect(connection(page)).to_have_text(re.compile("disconnected at"))
    service.start("web")
    for page in pages:
        expect(connection(page)).to_have_text("live")
    wait_until(lambda: browser.settle() == 1, "connections")
    for page, task in zip(pages, tasks, strict=True):
        cancelled(service, page, task)


# --- Pages that nobody sees ---------------------------------------------------------


def test_a_hidden_page_lets_go_and_goes_on_where_it_was_when_it_is_shown(
    browser, service, create
):
    tasks = create(2)
    shown, hidden = browser.pages(tasks)
    read(hidden, tasks[1])
    read(shown, tasks[0])
    is_exact(hidden, tasks[1], 3)
    hidden.evaluate(LOOK, True)
    wait_until(lambda: hidden.evaluate("window.seen")[tasks[1]].get("rested"), "rest")
    before = len(seen(hidden, tasks[1]))
    is_exact(shown, tasks[0], 5)
    assert browser.leader == shown
    assert {source[:36] for source in browser.streams[0]} == {tasks[0]}
    assert len(seen(hidden, tasks[1])) == before
    hidden.evaluate(LOOK, False)
    expect(connection(hidden)).to_have_text("live")
    is_exact(hidden, tasks[1], 5)
    wait_until(lambda: browser.settle() == 1, "connections")
    cancelled(service, hidden, tasks[1])


def test_the_home_page_in_hiding_holds_no_connection_and_is_true_when_it_is_shown(
    browser, service
):
    page = browser.page("/")
    expect(connection(page)).to_have_text("live")
    wait_until(lambda: browser.settle() == 1, "connections")
    page.evaluate(LOOK, True)
    wait_until(lambda: browser.settle() == 0, "rest")
    task = service.create("say", text="unseen")
    service.wait_for(task)
    page.evaluate(LOOK, False)
    expect(page.locator(f"#recent a[href='/tasks/{task}']")).to_be_visible()
    wait_until(lambda: browser.settle() == 1, "connections")


def test_a_page_that_is_opened_unseen_holds_nothing_until_it_is_seen(
    browser, service, create
):
    (task,) = create(1)
    wait_until(lambda: "line 1" in service.messages(task), "a line")  # none comes later
    away = (
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
    )
    page = browser.context.new_page()
    page.add_init_script(away)
    page.goto(f"{browser.url}/tasks/{task}")
    expect(page.locator("ol.log")).to_contain_text("line 1")
    assert browser.settle() == 0
    page.evaluate(LOOK, False)
    expect(connection(page)).to_have_text("live")


def test_the_end_of_a_task_is_told_by_a_page_that_hears_nothing(
    browser, service, create
):
    (task,) = create(1)
    page = browser.context.new_page()
    page.add_init_script(NOTES)
    page.goto(f"{browser.url}/tasks/{task}")
    page.get_by_role("button", name="Notify me").click()
    read(page, task)
    is_exact(page, task, 1)
    page.evaluate(LOOK, True)
    wait_until(lambda: page.evaluate("window.seen")[task].get("rested"), "rest")
    assert browser.settle() == 0
    service.request("POST", f"/api/tasks/{task}/cancel")
    expect(page).to_have_title("⊘ Slowly: cancelled")
    assert page.evaluate("window.notes") == ["⊘ Slowly: cancelled"]
    page.evaluate(LOOK, False)
    expect(page).to_have_title(re.compile("^⊘ Slowly ·"))
    cancelled(service, page, task)
    assert page.evaluate("window.notes") == ["⊘ Slowly: cancelled"]


def test_a_task_that_is_deleted_is_said_to_be_gone(browser, service):
    task = service.create("pensive")
    service.wait_for(task, "running")
    page = browser.page(f"/tasks/{task}")
    expect(connection(page)).to_have_text("live")
    delete = f"Task.objects.filter(pk='{task}').delete()"
    service.manage("shell", "-v0", "-c", f"from tasks.models import Task; {delete}")
    expect(connection(page)).to_have_text("the task was deleted")
    assert browser.settle() == 0


# --- Who can't share, and who must not ----------------------------------------------


@pytest.mark.parametrize(
    "missing",
    ["delete window.BroadcastChannel", "delete Navigator.prototype.locks"],
)
def test_without_the_means_to_share_each_page_in_sight_has_its_own_connection(
    browser, service, create, missing
):
    browser.context.add_init_script(missing)
    tasks = create(2)
    pages = browser.pages(tasks)
    for page, task in zip(pages, tasks, strict=True):
        read(page, task)
        is_exact(page, task, 1)
    wait_until(lambda: browser.settle() == 2, "connections")
    pages[0].evaluate(LOOK, True)
    wait_until(lambda: browser.settle() == 1, "one connection")
    pages[0].evaluate(LOOK, False)
    for page, task in zip(pages, tasks, strict=True):
        is_exact(page, task, 3)
        cancelled(service, page, task)


def test_nobody_hears_over_what_was_opened_for_another_person(
    new_browser, service, create
):
    (task,) = create(1)
    browser = new_browser(service)
    browser.page(service.sign_in_link().removeprefix(service.url))
    first = browser.page(f"/tasks/{task}")
    read(first, task)
    is_exact(first, task, 1)
    make = """
from django.contrib.auth.models import User
from tasks.access.sign_in import sign_in_link
rights = {"is_staff": True, "is_superuser": True}
user, _ = User.objects.get_or_create(username="ann", defaults=rights)
print(sign_in_link(user, ""))
"""
    link = service.manage("shell", "-v0", "-c", make).stdout.strip()
    browser.page(link).close()
    second = browser.page(f"/tasks/{task}")
    expect(second.locator(".user")).to_have_text("ann")
    read(second, task)
    is_exact(second, task, 1)
    # The first page's own is closed when the server finds its session ended.
    wait_until(
        lambda: browser.settle() and second in browser.open.values(),
        "a connection of the second page's own",
    )
