"""The database is away for a while: whoever watches is told that, and what follows."""

import json
import re
import socket
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException

import psycopg
import pytest
import requests
from playwright.sync_api import expect

from tests.waiting import wait_until

from .conftest import PATIENCE_MS, Service
from .flow import Flow, assert_they_stayed, viewers_of

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def product(cluster, tmp_path_factory):
    product = Service(
        tmp_path_factory.mktemp("outages"),
        cluster.url,
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
    )
    product.prepare()
    product.manage("migrate", "-v0")
    yield product.run()
    product.stop()


@pytest.fixture
def service(tmp_path):
    """A product on SQLite, whatever the others are on."""
    service = Service(tmp_path, "", RATE_LIMIT_CREATE="0", RATE_LIMIT_READ="0")
    service.prepare()
    yield service.run()
    service.stop()


@pytest.fixture
def stopped(cluster):
    """Stops the server for as long as a block lasts."""

    @contextmanager
    def stop():
        cluster.stop()
        try:
            yield
        finally:
            cluster.start()

    return stop


@contextmanager
def reading(product, path):
    """The events of a stream, as they come."""
    events = []
    connection = HTTPConnection("127.0.0.1", product.port)
    connection.request("GET", path, headers={"X-API-Key": product.api_key})
    channel = connection.sock
    response = connection.getresponse()
    assert response.status == 200, response.read()

    def read():
        with suppress(HTTPException, OSError):  # it is hung up in the middle
            for line in response:
                if line.startswith(b"data: "):
                    events.append(json.loads(line[6:]))  # noqa: PERF401 (as they come)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield events
    finally:
        channel.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


def types_of(events):
    return [event["type"] for event in events if event["type"] != "keep-alive"]


def is_over(events):
    """Whether something follows the last word of an outage."""
    return types_of(events)[-1] != "degraded"


def since_outage(events):
    return types_of(events)[types_of(events).index("degraded") :]


def wait_for_type(events, name, after=0):
    wait_until(lambda: name in types_of(events)[after:], f"an event {name}")


def silent_task(product):
    """A task that has printed a line, and then says nothing until it is cancelled."""
    task_id = product.create("complains")
    wait_until(lambda: "the disk is full" in product.messages(task_id), "its line")
    return task_id


def test_viewers_are_told_once_and_miss_nothing(product, stopped):
    flow = Flow(product)
    with viewers_of(flow) as viewers:
        path = f"/api/tasks/{flow.task_id}/stream?tail=0"
        with reading(product, path) as events:
            with stopped():
                wait_for_type(events, "degraded")
                about = len(events)
                (told,) = [e for e in events if e["type"] == "degraded"]
                assert told.keys() == {"type", "since", "reason"}
                assert MOMENT.fullmatch(told["since"])
                assert told["reason"] == "The database does not answer."
            wait_until(lambda: "log" in types_of(events[about:]), "lines again")
            assert types_of(events).count("degraded") == 1
    assert_they_stayed(viewers)


def test_a_silent_task_is_told_of_again_when_the_database_is_back(product, stopped):
    task_id = silent_task(product)
    with reading(product, f"/api/tasks/{task_id}/stream") as events:
        wait_for_type(events, "log")
        with stopped():
            wait_for_type(events, "degraded")
        wait_until(lambda: is_over(events), "that it is over")
        said = [event for event in events if event["type"] != "keep-alive"]
        assert (said[-1]["type"], said[-1]["task"]["status"]) == ("update", "running")
    product.request("POST", f"/api/tasks/{task_id}/cancel")
    product.wait_for(task_id)


def test_who_watches_all_tasks_is_told_too(product, stopped):
    with reading(product, "/api/events") as events:
        task_id = silent_task(product)
        wait_for_type(events, "task")  # the tasks are looked at
        with stopped():
            wait_until(lambda: types_of(events)[-1] == "degraded", "the outage")
            assert events[-1].keys() == {"type", "since", "reason"}
        wait_until(lambda: is_over(events), "that it is over")
        wait_until(lambda: "changed" in since_outage(events), "to be told to look")
    product.request("POST", f"/api/tasks/{task_id}/cancel")
    product.wait_for(task_id)


def test_a_database_that_is_there_and_does_not_answer_is_an_outage(product, cluster):
    task_id = silent_task(product)
    with (
        reading(product, f"/api/tasks/{task_id}/stream") as events,
        reading(product, "/api/events") as all_events,
    ):
        wait_for_type(events, "log")
        with closing(psycopg.connect(cluster.url)) as own:
            own.execute("LOCK TABLE tasks_task IN ACCESS EXCLUSIVE MODE")
            wait_for_type(events, "degraded")
            wait_for_type(all_events, "degraded")
            # Who comes meanwhile is told, too.
            with reading(product, "/api/events") as late:
                wait_for_type(late, "degraded")
        wait_until(lambda: is_over(events), "that it is over")
        wait_until(lambda: is_over(all_events), "that it is over")
    product.request("POST", f"/api/tasks/{task_id}/cancel")
    product.wait_for(task_id)


def test_an_outage_is_a_line_in_the_log_of_the_service(product, stopped):
    task_id = silent_task(product)
    log = product.data_dir / "logs" / "combined.log"
    with reading(product, f"/api/tasks/{task_id}/stream") as events:
        before = len(log.read_text())
        with stopped():
            wait_for_type(events, "degraded")
            wait_until(lambda: "keep-alive" in [e["type"] for e in events], "15 s")
        text = log.read_text()[before:]
    assert text.count("The tasks that are watched can't be read") == 1
    assert "Traceback" not in text
    product.wait_healthy()
    product.request("POST", f"/api/tasks/{task_id}/cancel")
    product.wait_for(task_id)


def test_pages_say_it_in_both_languages_and_ask_again(product, stopped):
    with stopped():
        for language, words in [("en", "does not answer"), ("zh", "没有响应")]:
            headers = {
                "Accept-Language": language,
                "Cookie": f"resource_sync_session={'a' * 32}",
            }
            page = requests.get(f"{product.url}/", headers=headers, timeout=30)
            assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
            assert page.headers["Content-Type"] == "text/html; charset=utf-8"
            assert words in page.text
            assert "failure_page." in page.text
        api = product.request("GET", "/api/tasks")
        assert (api.status_code, api.headers["Retry-After"]) == (503, "5")
        assert api.headers["Content-Type"] == "application/problem+json"
    product.wait_healthy()


def test_commands_say_it_in_one_sentence(product, stopped):
    with stopped():
        for command in (["list_tasks"], ["follow", "abc"], ["create_api_key", "x"]):
            ended = product.manage(*command, check=False)
            assert ended.returncode == 1
            assert re.fullmatch(
                r"CommandError: The database can't be used: .*\n", ended.stderr
            )
    product.wait_healthy()


def test_a_file_of_sqlite_that_is_away_is_an_outage(service):
    path, away = service.data_dir / "db.sqlite3", service.data_dir / "away"
    with reading(service, "/api/events") as all_events, ExitStack() as stack:
        task_id = silent_task(service)
        wait_for_type(all_events, "task")  # the tasks are looked at
        stream = f"/api/tasks/{task_id}/stream"
        events = stack.enter_context(reading(service, stream))
        wait_for_type(events, "log")
        path.rename(away)
        wait_for_type(events, "degraded")
        wait_for_type(all_events, "degraded")
        assert "was deleted or replaced" in events[-1]["reason"]
        assert str(path) not in events[-1]["reason"]
        away.rename(path)
        wait_until(lambda: is_over(events), "that it is over")
        wait_until(lambda: is_over(all_events), "that it is over")
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    service.wait_for(task_id)


# Half a minute after its last line a task's page says that, too.
IS_LIVE = "live", re.compile("^(live|no output for .+)$")


@pytest.mark.browser
def test_pages_say_since_when_and_blame_nobody(chromium, service):
    task_id = silent_task(service)
    path, away = service.data_dir / "db.sqlite3", service.data_dir / "away"
    context = chromium.new_context(base_url=service.url)
    context.set_default_timeout(PATIENCE_MS)
    home = context.new_page()
    home.goto(service.sign_in_link())
    home.goto("/")
    page = context.new_page()
    page.goto(f"/tasks/{task_id}")
    said = [one.locator("[data-part=connection]") for one in (home, page)]
    for place, words in zip(said, IS_LIVE, strict=True):
        expect(place).to_have_text(words)
    path.rename(away)
    since = r"The database has not answered since \d\d:\d\d:\d\d\. "
    for place, words in zip(
        said,
        ["Updates will follow", "The task is still running; lines will follow"],
        strict=True,
    ):
        expected = re.compile(rf"^{since}{words}\.$")
        expect(place).to_have_text(expected)
    page.evaluate("location.reload()")
    failed = page.get_by_role("heading", name="The database does not answer")
    expect(failed).to_be_visible(timeout=PATIENCE_MS)
    away.rename(path)
    # By itself, as soon as there is an answer.
    expect(page.locator("[data-task]")).to_be_visible(timeout=PATIENCE_MS)
    for place, words in zip(said, IS_LIVE, strict=True):
        expect(place).to_have_text(words)
    context.close()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    service.wait_for(task_id)
