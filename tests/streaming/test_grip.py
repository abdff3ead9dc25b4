"""The parts of GRIP that need no proxy."""

import json
import os
import subprocess
import sys
import uuid

import jwt
import pytest
from django.test import RequestFactory

from resource_sync.settings import SettingError, a_grip_url, setting
from streaming import grip
from streaming.encode import BASE
from streaming.grip import NEWEST, Position, go_on, link
from streaming.publisher import for_any_base
from streaming.states import Stamp

# gripcontrol asks for the time in a way that Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
KEY = "a-key-for-tests-of-32-characters"
TASK = uuid.UUID(int=1)
AT = Position(12, Stamp(1, 3, False))


@pytest.fixture(autouse=True)
def _proxy(settings):
    settings.GRIP_URL = f"http://127.0.0.1:5561?iss=pushpin&key={KEY}"


def request_for(url, key=KEY, **headers):
    headers["Grip-Sig"] = jwt.encode({"iss": "pushpin", "exp": 2**33}, key)
    return RequestFactory().get(url, headers=headers)


def position_of(url, task_id=TASK, **options):
    place = go_on(request_for(url, **options), task_id, url.rpartition("/stream/")[2])
    return place and place[0]


def test_a_position_is_a_word_that_says_it_all():
    assert str(AT) == "12-1-3-0"
    assert Position.parse(str(AT)) == AT
    assert Position.parse("12-1-3-1") > AT


@pytest.mark.parametrize("text", ["", "12", "a-b-c-d", "1-2-3-4-5"])
def test_what_is_no_position_is_told_apart(text):
    with pytest.raises(ValueError, match=r"."):
        Position.parse(text)


def test_a_link_to_a_page_leads_to_its_position():
    url = link(TASK, str(AT))
    assert url.startswith(f"/api/tasks/{TASK}/stream/12-1-3-0.")
    assert position_of(url) == AT


def test_a_link_to_the_newest_leads_to_where_the_proxy_says_the_client_is():
    url = link(TASK, f"{NEWEST}8")
    last = {"Grip-Last": f"task-{TASK}; last-id=99-1-3-0"}
    assert position_of(url, **last) == AT._replace(seq=99)
    assert position_of(url) is None


def test_all_clients_of_a_task_have_the_same_link_so_that_the_proxy_asks_once():
    assert link(TASK, f"{NEWEST}8") == link(TASK, f"{NEWEST}8")


def test_a_link_is_for_one_task_and_the_proxy_alone():
    url = link(TASK, str(AT))
    assert position_of(url, uuid.UUID(int=2)) is None
    assert position_of(url, key=KEY[::-1]) is None
    assert position_of(url.replace("12-", "11-")) is None
    assert go_on(RequestFactory().get(url), TASK, url.split("/")[-1]) is None


def test_a_link_of_the_day_before_yesterday_is_void(monkeypatch):
    url = link(TASK, str(AT))
    today = grip._today()
    monkeypatch.setattr(grip, "_today", lambda: today + 1)
    assert position_of(url) == AT
    monkeypatch.setattr(grip, "_today", lambda: today + 2)
    assert position_of(url) is None


def test_without_a_proxy_no_signature_counts(settings):
    settings.GRIP_URL = ""
    assert not grip.is_from_proxy(request_for("/"))


def test_what_is_published_has_a_place_for_each_clients_host():
    line = json.dumps({"message": "100% of %s"}, separators=(",", ":")).encode()
    update = json.dumps(
        {"statusUrl": f"{BASE}/api/tasks/1/status"}, separators=(",", ":")
    ).encode()
    assert for_any_base(line) == b'{"message":"100%% of %%s"}'
    assert for_any_base(update) == b'{"statusUrl":"%(base)s/api/tasks/1/status"}'


@pytest.mark.parametrize(
    "bad",
    [
        "127.0.0.1:5561",
        "http://127.0.0.1:5561",
        "http://127.0.0.1:5561?iss=pushpin&key=short",
        f"ftp://127.0.0.1?key={KEY}",
    ],
)
def test_a_wrong_address_of_the_proxy_stops_the_start(bad, monkeypatch):
    monkeypatch.setenv("GRIP_URL", bad)
    with pytest.raises(SettingError, match="GRIP_URL"):
        setting("GRIP_URL", "", a_grip_url, "an address")


def test_who_has_no_proxy_does_not_import_what_speaks_to_one():
    code = (
        "import sys, resource_sync.asgi;"
        "print({'django_grip', 'streaming.publisher'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GRIP_URL": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip().splitlines()[-1] == "set()"


def test_the_publisher_needs_a_proxys_address(settings):
    from django.core.management import CommandError, call_command

    settings.GRIP_URL = ""
    with pytest.raises(CommandError, match="GRIP_URL"):
        call_command("publish_streams")
