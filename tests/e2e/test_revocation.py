"""Who loses a key or a session sees nothing more; on real processes."""

import json
import threading
from contextlib import contextmanager

import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import parse

pytestmark = pytest.mark.e2e
MOST_SECONDS = 30  # in which what was lost must close what it opened


class Watcher:
    """A client of one stream, by whatever lets it in: how it was ended, and what it is
    told when it comes back."""

    def __init__(self, url, session=None, **headers):
        self.url, self.headers = url, headers
        self.session = session or requests.Session()
        self.answer = self._open()
        assert self.answer.status_code == 200, self.answer.text
        self.types = []
        self.is_closed = False
        self.failure = None
        threading.Thread(target=self._read, daemon=True).start()

    def _open(self):
        return self.session.get(
            self.url, headers=self.headers, stream=True, timeout=PATIENCE_SECONDS
        )

    def _read(self):
        try:
            self.types += [data["type"] for _, data in parse(self.answer)]
        except (AttributeError, OSError, requests.RequestException) as failure:
            self.failure = failure
        self.is_closed = True

    def status_when_it_returns(self):
        with self._open() as answer:
            return answer.status_code

    def leave(self):
        if not self.is_closed:
            self.answer.raw.shutdown()  # close() would wait for what the thread reads


@pytest.fixture
def watch():
    """Makes watchers, which leave with the test."""
    watchers = []

    def watch(*arguments, **headers):
        watchers.append(Watcher(*arguments, **headers))
        return watchers[-1]

    yield watch
    for watcher in watchers:
        watcher.leave()


@contextmanager
def a_task_that_goes_on(service):
    task_id = service.create("complains")
    service.wait_for(task_id, "running")
    try:
        yield task_id
    finally:
        service.request("POST", f"/api/tasks/{task_id}/cancel", json={"force": True})


def shell(service, code):
    """What a program in the product's own shell prints."""
    return service.manage("shell", "-v0", "-c", code).stdout


# One program, because each takes seconds to start.
PREPARE = """
import json
from django.contrib.auth.models import User
from tasks.models import ApiKey
from tasks.access.sign_in import sign_in_link
names = ("revoked", "expired", "moved", "good")
keys = {name: ApiKey.objects.issue(name)[1] for name in names}
everything = {"is_staff": True, "is_superuser": True}
people = [User.objects.create(username=name, **everything) for name in ("ida", "ben")]
print(json.dumps([keys, *(sign_in_link(user, "") for user in people)]))
"""


def signed_in(service, link):
    browser = requests.Session()
    browser.get(service.url + link, timeout=PATIENCE_SECONDS)
    return browser


def sign_out(service, browser):
    form = {"csrfmiddlewaretoken": browser.cookies["resource_sync_csrf"]}
    url = f"{service.url}/sign-out"
    browser.post(url, data=form, timeout=PATIENCE_SECONDS)


def post_and_wait(service, secret, answers):
    """Start a task that waits for another, and be held until it has ended."""
    headers = {"X-API-Key": secret, "Prefer": "wait=600"}
    url = f"{service.url}/api/tasks/complains"
    answers.append(requests.post(url, json={}, headers=headers, timeout=600))
    service.request(
        "POST", f"/api/tasks/{made_by(service, 'key:revoked')[0]}/cancel", json={}
    )


def made_by(service, name):
    """The tasks that somebody started and that have not ended."""
    page = service.request("GET", "/api/tasks?status=pending,running").json()
    return [task["id"] for task in page["tasks"] if task["createdBy"] == name]


LOSE = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from tasks.access.actor import Actor
from tasks.access.api_keys import revoke_key
from tasks.models import ApiKey
revoke_key(ApiKey.objects.get(name="revoked"), Actor("test"))
ApiKey.objects.filter(name="expired").update(expires_at=timezone.now())
ApiKey.objects.filter(name="moved").update(networks="10.0.0.0/8")
"""


def test_what_lost_its_right_is_closed_and_does_not_come_back(service, watch):
    keys, *links = json.loads(shell(service, PREPARE))
    browser, another = (signed_in(service, link) for link in links)
    everything = f"{service.url}/api/events"
    several = f"{service.url}/api/streams?source=events&source="
    lost, kept, answers = [], [], []
    with a_task_that_goes_on(service) as task_id:
        one = f"{service.url}/api/tasks/{task_id}/stream"
        several += task_id
        status = f"{service.url}/api/tasks/{task_id}/status"
        for name, secret in keys.items():
            key = {"X-API-Key": secret}
            some = kept if name == "good" else lost
            some += [watch(url, **key) for url in (one, everything, several)]
            from_a_page = {"Origin": "https://tools.example.com", **key}
            answer = requests.get(status, headers=from_a_page, timeout=PATIENCE_SECONDS)
            some.append(watch(answer.json()["streamUrl"]))
            assert "token=" in some[-1].url
        for url in (one, everything, several):
            lost.append(watch(url, browser))
            kept.append(watch(url, another))
        bootstrap = {"X-API-Key": service.api_key}
        kept += [watch(one, **bootstrap), watch(everything, **bootstrap)]

        wait = threading.Thread(
            target=post_and_wait, args=(service, keys["revoked"], answers)
        )
        wait.start()
        wait_until(lambda: made_by(service, "key:revoked"), "the post to be held")

        shell(service, LOSE)
        sign_out(service, browser)
        wait_until(
            lambda: all(watcher.is_closed for watcher in lost),
            "all that was lost to be closed",
            MOST_SECONDS,
        )
        wait.join(MOST_SECONDS)
        assert [answer.status_code for answer in answers] == [401]
        assert "Preference-Applied" not in answers[0].headers
        for watcher in lost:
            assert watcher.failure is None, "it was cut off and not closed in order"
            assert "end" not in watcher.types, "the task goes on"
            assert watcher.status_when_it_returns() in {401, 403}
        for watcher in kept:
            assert not watcher.is_closed
            assert watcher.status_when_it_returns() == 200
