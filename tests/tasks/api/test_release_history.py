"""GET /api/releases/{platform}/history."""

from datetime import timedelta

import pytest

from tasks import patient_reader, releases
from tests.factories import NOON
from tests.tasks.api.answers import problem_of
from tests.tasks.served import forget_readings, hanging, served, write_pointers
from tests.waiting import wait_until

DAY = timedelta(days=1)
PATH = "/api/releases/ios/history"


def history(client, query=""):
    response = client.get(PATH + query)
    assert response.status_code == 200, response.content
    return response.json()


def versions(answer):
    return [span["version"] for span in answer["history"]]


def publish(store, *names):
    """Serve these versions for a day each, oldest first."""
    before = [None, *names]
    pointers = [
        served(name, NOON + n * DAY, previous=before[n], task_id=f"task-{n}")
        for n, name in enumerate(names)
    ]
    write_pointers(store, "ios", *pointers)


def test_a_platform_without_releases_has_no_history(program, store):
    assert history(program) == {
        "platform": "ios",
        "channel": "live",
        "history": [],
        "next": None,
        "previous": None,
        "count": 0,
    }


def test_each_span_says_from_when_to_when_by_which_task_and_after_what(program, store):
    publish(store, "v884", "v885", "v884")
    newest, _, oldest = history(program)["history"]
    assert newest == {
        "version": "v884",
        "channel": "live",
        "live": True,
        "rollback": True,
        "since": "2025-11-28T12:00:00.000Z",
        "until": None,
        "previous": "v885",
        "taskId": "task-2",
        "manifestSha256": "a" * 64,
        "rollouts": [],
    }
    assert (oldest["since"], oldest["until"]) == (
        "2025-11-26T12:00:00.000Z",
        "2025-11-27T12:00:00.000Z",
    )
    assert not oldest["live"]
    assert not oldest["rollback"]


def test_each_channel_has_a_history_of_its_own(program, store):
    publish(store, "v884")
    on_beta = served("v885", NOON, previous="v883")._replace(channel="beta", serial=7)
    (store / "ios/channels").mkdir()
    (store / "ios/channels/beta.json").write_bytes(on_beta.encode())
    assert versions(history(program)) == ["v884"]
    answer = history(program, "?channel=beta")
    assert (answer["channel"], versions(answer)) == ("beta", ["v885", "v883"])
    assert [span["channel"] for span in answer["history"]] == ["beta", "beta"]
    assert answer["history"][0]["live"]
    (store / "ios/channels/beta.json").write_bytes(
        on_beta._replace(version="v886", previous="v885", serial=8).encode()
    )
    releases.reader.cache_clear()
    wait_until(lambda: versions(history(program, "?channel=beta"))[0] == "v886")


def test_a_channel_that_there_is_not_is_refused_with_those_there_are(program, store):
    publish(store, "v884")
    response = program.get(f"{PATH}?channel=gamma")
    assert problem_of(response, 400)["errors"] == {"channel": ["Must be one of: live."]}


def test_what_nobody_wrote_down_is_null_and_not_guessed(program, store):
    write_pointers(store, "ios", served("v885", previous="v884"))  # of an older release
    (store / "ios/history.json").unlink()
    live, before = history(program)["history"]
    assert (live["live"], live["since"], live["until"]) == (True, None, None)
    assert (before["version"], before["live"], before["until"]) == ("v884", False, None)
    assert before["manifestSha256"] is None


@pytest.mark.parametrize("moment", ["soon", "2025-13-01T00:00:00Z", ""])
def test_a_time_that_is_none_is_null(program, store, moment):
    write_pointers(store, "ios", served("v885")._replace(published_at=moment))
    (span,) = history(program)["history"]
    assert span["since"] is None


def test_pages_lead_back_and_forth_and_stay_where_they_are(program, store):
    names = [f"v{n}" for n in range(1, 6)]
    publish(store, *names)
    first = history(program, "?limit=2")
    assert versions(first) == ["v5", "v4"]
    assert first["previous"] is None
    assert first["count"] == 5
    second = program.get(first["next"]).json()
    assert versions(second) == ["v3", "v2"]
    publish(store, *names, "v6")
    forget_readings()
    assert versions(program.get(first["next"]).json()) == ["v3", "v2"]
    last = program.get(second["next"]).json()
    assert (versions(last), last["next"]) == (["v1"], None)
    assert versions(program.get(last["previous"]).json()) == ["v3", "v2"]
    assert versions(program.get(second["previous"]).json()) == ["v5", "v4"]


def test_moves_of_one_moment_are_all_on_some_page(program, store):
    pointers = [served(f"v{n}", NOON) for n in range(4)]
    write_pointers(store, "ios", *pointers)
    found, answer = [], history(program, "?limit=1")
    while answer["next"]:
        found += versions(answer)
        answer = program.get(answer["next"]).json()
    assert [*found, *versions(answer)] == ["v3", "v2", "v1", "v0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x"])
def test_wrong_parameters_are_named(program, store, query):
    problem = problem_of(program.get(f"{PATH}?{query}"), 400)
    assert list(problem["errors"]) == [query.partition("=")[0]]


def test_an_unknown_platform_names_those_there_are(program, store):
    problem = problem_of(program.get("/api/releases/amiga/history"), 404)
    assert problem["type"].endswith(":unknown-platform")
    assert "amiga" in problem["detail"]
    assert "ios, android, facebook" in problem["detail"]


def test_a_store_that_can_not_be_read_is_a_503(program, store):
    write_pointers(store, "ios", served("v885"))
    (store / "ios/current.json").write_bytes(b"{")
    answer = program.get(PATH)
    problem = problem_of(answer, 503)
    assert problem["detail"] == "The store could not be read."
    assert int(answer["Retry-After"]) > 0


def test_a_store_that_hangs_is_a_503_in_time(program, store, monkeypatch):
    monkeypatch.setattr(patient_reader, "READ_SECONDS", 0.2)
    write_pointers(store, "ios", served("v885"))
    with hanging(store / "ios/history.json"):
        problem = problem_of(program.get(PATH), 503)
        assert problem["detail"] == "The store did not answer in time."


def test_it_is_read_again_as_soon_as_the_pointer_has_moved(program, store, monkeypatch):
    publish(store, "v884")
    assert versions(history(program)) == ["v884"]
    publish(store, "v884", "v885")
    assert versions(history(program)) == ["v884"]
    monkeypatch.setattr(releases, "FRESH_SECONDS", 0)  # of the pointer
    assert versions(history(program)) == ["v885", "v884"]


def test_it_takes_a_key_and_can_only_be_read(program, stranger, store):
    problem_of(stranger.get(PATH), 401)
    problem_of(program.post(PATH), 405)


def test_platforms_of_ones_own_have_one(program, store, monkeypatch):
    monkeypatch.setenv("RESOURCE_PLATFORMS", "wechat=WeChat")
    write_pointers(store, "wechat", served("v7", NOON))
    answer = program.get("/api/releases/wechat/history").json()
    assert versions(answer) == ["v7"]
    problem_of(program.get(PATH), 404)
