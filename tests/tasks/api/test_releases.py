"""GET /api/releases."""

import json
import os
import re
import subprocess
import sys

import pytest
from django.core.checks import run_checks

from resources.signing.keys import make_key
from tasks import patient_reader, releases
from tests.tasks.api.answers import problem_of
from tests.tasks.served import hanging, roll_out_demo

PLATFORMS = ("ios", "android", "facebook")
NAMES = (
    "version since previous taskId manifestSha256 serial rollout signedBy files size"
)
NOTHING = {"channel": "live", **dict.fromkeys(NAMES.split())}


@pytest.fixture(autouse=True)
def _nothing_read_yet():
    releases.reader.cache_clear()
    yield
    releases.reader.cache_clear()


def write_pointer(store, platform, **values):
    path = store / platform / "current.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    pointer = {
        "format": "release-pointer/1",
        "version": "v885",
        "manifestSha256": "a" * 64,
        "previous": "v884",
        **values,
    }
    path.write_text(json.dumps(pointer))


def entries(client):
    response = client.get("/api/releases")
    assert response.status_code == 200
    return {entry.pop("platform"): entry for entry in response.json()["releases"]}


def test_a_store_without_releases_serves_nothing(program, store):
    found = entries(program)
    assert tuple(found) == PLATFORMS
    assert found == dict.fromkeys(PLATFORMS, NOTHING)


def test_each_platform_says_what_it_serves_since_when_and_by_which_task(program, store):
    task_id = "6f1c2f4e-1c1f-4f6b-8c1e-2f0d7a1b3c4d"
    write_pointer(store, "ios", publishedAt="2025-11-26T10:30:01.234Z", taskId=task_id)
    write_pointer(store, "android", version="v1", previous=None)  # of an older release
    found = entries(program)
    assert found["ios"] == {
        **NOTHING,
        "version": "v885",
        "since": "2025-11-26T10:30:01.234Z",
        "previous": "v884",
        "taskId": task_id,
        "manifestSha256": "a" * 64,
    }
    assert found["android"] == {
        **NOTHING,
        "version": "v1",
        "manifestSha256": "a" * 64,
    }
    assert found["facebook"] == NOTHING


def test_what_the_engine_publishes_is_what_is_shown(program, store, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path),
        "TASK_ID": "one-task",
    }
    for arguments in (("demo",), ("sync", "v885", "--platform", "facebook")):
        command = [sys.executable, "-m", "resources", *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    found = entries(program)
    assert (found["ios"]["version"], found["facebook"]["version"]) == ("v884", "v885")
    assert found["facebook"]["previous"] == "v884"
    assert found["facebook"]["taskId"] == "one-task"
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(moment, found["facebook"]["since"])


def test_live_channels_come_first_with_their_rollouts_and_then_the_others(
    program, store, tmp_path
):
    roll_out_demo(tmp_path)
    found = program.get("/api/releases").json()["releases"]
    assert [(each["platform"], each["channel"]) for each in found] == [
        ("ios", "live"),
        ("android", "live"),
        ("facebook", "live"),
        ("ios", "beta"),
    ]
    live, *_, beta = found
    assert (live["version"], live["serial"], live["files"]) == ("v884", 2, 1241)
    rollout = live["rollout"]
    assert (rollout["version"], rollout["percent"]) == ("v885", 2.5)
    assert set(rollout) == {"version", "percent", "since"}
    assert (beta["version"], beta["serial"], beta["files"]) == ("v885", 1, 1245)
    assert beta["size"] > live["size"]
    span = program.get("/api/releases/ios/history").json()["history"][0]
    assert (span["version"], span["rollouts"]) == ("v884", [rollout])


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"format": "release-pointer/1", "version": "../..", "manifestSha256": ""}',
        b'{"format": "release-pointer/1", "version": "v1", "manifestSha256": 1}',
        b"[" * 4096,
        b"\xff",
    ],
)
def test_a_damaged_pointer_is_an_entry_with_an_error(program, store, content):
    write_pointer(store, "ios")
    write_pointer(store, "android")
    (store / "ios/current.json").write_bytes(content)
    found = entries(program)
    assert found["ios"] == {**NOTHING, "error": "The store could not be read."}
    assert found["android"]["version"] == "v885"


def test_a_wrong_setting_of_one_platform_is_an_entry_with_an_error(
    program, store, monkeypatch
):
    write_pointer(store, "ios")
    monkeypatch.setenv("RESOURCE_STORE_ANDROID", "ftp://host/secret-path")
    found = entries(program)
    assert found["android"] == {**NOTHING, "error": "The store could not be read."}
    assert found["ios"]["version"] == "v885"


def test_a_store_that_hangs_holds_up_nobody_for_long(program, store, monkeypatch):
    monkeypatch.setattr(patient_reader, "READ_SECONDS", 0.2)
    write_pointer(store, "android")
    with hanging(store / "ios/current.json"):
        for _ in range(3):
            found = entries(program)
            error = "The store did not answer in time."
            assert found["ios"] == {**NOTHING, "error": error}
            assert found["android"]["version"] == "v885"


def test_it_is_read_once_for_many_who_ask(program, store):
    write_pointer(store, "ios")
    assert entries(program)["ios"]["version"] == "v885"
    write_pointer(store, "ios", version="v886")
    assert entries(program)["ios"]["version"] == "v885"


def test_a_new_release_shows_when_the_last_reading_is_old(program, store, monkeypatch):
    monkeypatch.setattr(releases, "FRESH_SECONDS", 0)
    write_pointer(store, "ios")
    assert entries(program)["ios"]["version"] == "v885"
    write_pointer(store, "ios", version="v886")
    assert entries(program)["ios"]["version"] == "v886"


def test_it_takes_a_key(stranger, store):
    problem_of(stranger.get("/api/releases"), 401)


def test_it_can_only_be_read(program, store):
    problem_of(program.post("/api/releases"), 405)


def test_its_entries_are_those_of_the_schema(program, stranger, store):
    schema = stranger.get("/api/schema").json()["components"]["schemas"]["Release"]
    (entry, *_) = program.get("/api/releases").json()["releases"]
    assert set(schema["required"]) == set(entry)
    assert set(schema["properties"]) == {*entry, "error"}


def test_the_error_is_said_in_chinese_to_who_reads_chinese(program, store):
    write_pointer(store, "ios")
    (store / "ios/current.json").write_bytes(b"{")
    response = program.get("/api/releases", headers={"Accept-Language": "zh-Hans"})
    assert response.json()["releases"][0]["error"] == "无法读取存储。"


def test_platforms_of_ones_own_are_shown_in_their_order(program, store, monkeypatch):
    monkeypatch.setenv("RESOURCE_PLATFORMS", "wechat=WeChat,ios")
    write_pointer(store, "wechat", version="v7")
    found = entries(program)
    assert tuple(found) == ("wechat", "ios")
    assert found["wechat"]["version"] == "v7"


def test_who_signed_is_said_where_a_trusted_key_proves_it(
    program, store, tmp_path, monkeypatch
):
    keys = {name: make_key(tmp_path / name) for name in ("own", "other")}
    key = str(tmp_path / "own")
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path),
        "RESOURCE_SIGNING_KEY": key,
    }
    command = [sys.executable, "-m", "resources", "demo"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    # Nobody is trusted yet, whatever the pointer says.
    assert entries(program)["ios"]["signedBy"] is None
    monkeypatch.setenv("RESOURCE_TRUSTED_KEYS", f"{keys['other'].raw.hex()},{key}.pub")
    path = store / "android/current.json"
    path.write_text(path.read_text().replace('"v884"', '"v885"'))
    releases.reader.cache_clear()
    found = entries(program)
    assert found["ios"]["signedBy"] == keys["own"].key_id
    assert (found["android"]["version"], found["android"]["signedBy"]) == ("v885", None)
    monkeypatch.setenv("RESOURCE_TRUSTED_KEYS", keys["other"].raw.hex())
    releases.reader.cache_clear()
    assert entries(program)["ios"]["signedBy"] is None


def test_a_trusted_key_that_is_none_is_said_and_hides_no_release(
    program, store, monkeypatch
):
    assert "tasks.W003" not in [error.id for error in run_checks()]
    monkeypatch.setenv("RESOURCE_TRUSTED_KEYS", "/nowhere")
    (warning,) = [error for error in run_checks() if error.id == "tasks.W003"]
    assert warning.msg.startswith("RESOURCE_TRUSTED_KEYS: /nowhere can't be read")
    signature = {"key": "21fe31dfa154a261", "ed25519": "0" * 128}
    values = {"channel": "live", "serial": 1, "sha256": "a" * 64}
    values |= {"format": "release-pointer/2", "signature": signature}
    write_pointer(store, "ios", **values)
    assert entries(program)["ios"]["version"] == "v885"


def test_a_wrong_list_of_platforms_stops_the_start(monkeypatch):
    assert "tasks.E002" not in [error.id for error in run_checks()]
    monkeypatch.setenv("RESOURCE_PLATFORMS", "iOS")
    (error,) = [error for error in run_checks() if error.id == "tasks.E002"]
    assert error.msg.startswith('RESOURCE_PLATFORMS: "iOS" can\'t name a platform')
