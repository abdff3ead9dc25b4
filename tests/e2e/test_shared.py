"""A hand-over link's stream, on real processes."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import PATIENCE_MS, parse
from tests.e2e.test_revocation import MOST_SECONDS, Watcher
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def share(service, task_id):
    answer = service.request("POST", f"/api/tasks/{task_id}/share", json={})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_stranger_gets_every_line_by_the_link(service):
    task_id = service.create("count", n="500")
    link = share(service, task_id)
    with requests.get(f"{link['url']}/stream", stream=True) as answer:
        events = [event for _, event in parse(answer)]
    logs = [event["log"]["message"] for event in events if event["type"] == "log"]
    assert logs == service.messages(task_id)
    assert events[-1]["type"] == "end"
    after = {"Last-Event-ID": "400"}
    with requests.get(f"{link['url']}/stream", headers=after, stream=True) as answer:
        ids = [event_id for event_id, _ in parse(answer) if event_id]
    assert ids[0] == "401"


def test_a_withdrawn_link_closes_what_it_opened(service):
    task_id = service.create("gate")
    kept, link = share(service, task_id), share(service, task_id)
    watcher, other = Watcher(f"{link['url']}/stream"), Watcher(f"{kept['url']}/stream")
    service.request("DELETE", f"/api/shares/{link['id']}")
    wait_until(lambda: watcher.is_closed, "the stream's end", MOST_SECONDS)
    assert watcher.status_when_it_returns() == 404
    assert not other.is_closed
    other.leave()
    service.request("POST", f"/api/tasks/{task_id}/cancel")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_s_stream_is_only_read(service, method):
    link = share(service, service.create("say"))
    assert requests.request(method, f"{link['url']}/stream").status_code == 405


@pytest.mark.browser
def test_a_person_shares_a_task_and_withdraws_it(service, open_page, chromium):
    task_id = service.create("slowly", n="600")
    page = open_page(f"/tasks/{task_id}")
    page.get_by_role("button", name="Share…").click()
    dialog = page.get_by_role("dialog", name="Share this task")
    dialog.get_by_label("Good for").select_option("1d")
    dialog.get_by_role("button", name="Create link").click()
    field = dialog.get_by_label("Link", exact=True)
    expect(field).to_have_value(re.compile("/shared/rsl_"))
    context = chromium.new_context()
    stranger = context.new_page()
    stranger.goto(field.input_value())
    expect(stranger.get_by_text("line 3", exact=True)).to_be_visible()
    expect(stranger.get_by_role("button", name="Cancel task")).to_have_count(0)
    dialog.get_by_role("button", name="Withdraw").click()
    expect(dialog.get_by_text("withdrawn")).to_be_visible()
    expect(
        stranger.get_by_role("heading", name="This link was withdrawn.")
    ).to_be_visible(timeout=PATIENCE_MS)
    context.close()
    service.request("POST", f"/api/tasks/{task_id}/cancel")
