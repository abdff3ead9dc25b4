"""GET /api/releases/{platform}/changes."""

import json
import os
import time

import pytest

from tasks import changes
from tasks.api import releases as api
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game, game_on_moto, moto
from tests.tasks.api.answers import problem_of

__all__ = ["game_on_moto", "moto"]  # fixtures of the engine's tests
KIND = "urn:resource-sync:problem:"
PATH = "/api/releases/ios/changes"


@pytest.fixture(autouse=True)
def _nothing_compared_yet(monkeypatch):
    changes.forget()
    # However busy the machine is, unless a test is about it.
    monkeypatch.setattr(api, "COMPARE_SECONDS", 60.0)
    yield
    changes.forget()


@pytest.fixture
def game(store, tmp_path, monkeypatch):
    """A game whose folders the service knows: v884 is live, v885 built."""
    monkeypatch.setenv("RESOURCE_SOURCE", str(tmp_path / "source"))
    game = Game(tmp_path)
    game.store = store
    game.environment["RESOURCE_STORE"] = str(store)
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW_FILES)
    return game


@pytest.fixture
def asked(monkeypatch):
    """Counts how often the engine is run."""
    found = []
    run = changes._engine_says

    def counted(question):
        found.append(question)
        return run(question)

    monkeypatch.setattr(changes, "_engine_says", counted)
    return found


def changes_of(client, **query):
    response = client.get(PATH, query)
    assert response.status_code == 200, response.content
    return response.json()


def test_it_says_what_the_engine_says_before_anything_is_published(program, game):
    lines = game.lines("changes", "v885", "--platform", "ios", "--json")
    (said,) = [each for each in map(json.loads, lines) if each["type"] == "changes"]
    found = changes_of(program, to="v885")
    assert found == {key: value for key, value in said.items() if key != "type"}
    assert (found["from"]["version"], found["to"]["stored"]) == ("v884", False)
    assert (found["added"]["files"], found["changed"]["files"]) == (1, 1)
    assert found["playerBytes"][0]["bytes"] == 15
    assert found["plan"]["newFiles"] == 2
    assert not (game.store / "ios/versions/v885").exists()


def test_after_the_publication_the_version_before_is_compared(program, game):
    changes_of(program, to="v885")
    game.lines("sync", "v885", "--platform", "ios")
    changes.reader.cache_clear()
    found = changes_of(program, to="v885")
    assert (found["live"], found["from"]["version"]) == ("v885", "v884")
    assert (found["plan"], found["guard"]) == (None, None)


def test_any_two_versions_can_be_compared(program, game):
    found = changes_of(program, **{"from": "v885", "to": "v884"})
    assert (found["added"]["files"], found["removed"]["files"]) == (0, 1)


def test_a_platform_where_nothing_is_live_gets_every_file(program, game):
    game.build("v885", NEW_FILES, "android")
    response = program.get("/api/releases/android/changes", {"to": "v885"})
    found = response.json()
    assert (found["from"], found["download"], found["guard"]) == (None, None, None)
    assert found["added"]["files"] == 4


def test_what_lies_in_the_store_is_compared_once(program, game, asked):
    for _ in range(3):
        changes_of(program, to="v884", **{"from": "v884"})
    assert len(asked) == 1


def test_a_build_that_is_made_anew_is_compared_anew(program, game, asked, monkeypatch):
    monkeypatch.setattr(changes, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(changes, "SHARE", 0)
    assert changes_of(program, to="v885")["added"]["files"] == 1
    game.build("v885", {**NEW_FILES, "e": b"!"})
    assert changes_of(program, to="v885")["added"]["files"] == 2
    assert len(asked) == 2


def test_an_unknown_platform_is_named_with_those_there_are(program, store):
    response = program.get("/api/releases/xbox/changes", {"to": "v885"})
    problem = problem_of(response, 404)
    assert problem["type"] == KIND + "unknown-platform"
    assert problem["detail"] == (
        "There is no platform xbox; there are: ios, android, facebook."
    )


@pytest.mark.parametrize("query", [{"to": "v9"}, {"to": "v885", "from": "v9"}])
def test_an_unknown_version_is_named_with_those_there_are(program, game, query):
    problem = problem_of(program.get(PATH, query), 404)
    assert problem["type"] == KIND + "no-such-version"
    assert problem["detail"] == "iOS has no version v9; the newest are: v884, v885."


def test_a_platform_without_versions_says_so(program, store):
    problem = problem_of(program.get(PATH, {"to": "v9"}), 404)
    assert problem["detail"] == "iOS has no version yet."


@pytest.mark.parametrize("name", ["..", "a/b", "--help", "-v1", "x" * 65, "v1\n"])
def test_what_is_no_version_is_asked_of_nobody(program, store, asked, name):
    for query in ({"to": name}, {"to": "v1", "from": name}):
        problem_of(program.get(PATH, query), 404)
    assert asked == []


def test_the_new_version_has_to_be_named(program, store):
    problem = problem_of(program.get(PATH), 400)
    assert problem["errors"] == {"to": ["Required."]}


def test_a_broken_manifest_is_a_problem_that_names_no_folder(program, game, caplog):
    game.write_manifest("v885", b"{")
    response = program.get(PATH, {"to": "v885"})
    problem = problem_of(response, 409)
    assert problem["type"] == KIND + "not-comparable"
    assert str(game.source) not in response.content.decode()
    assert str(game.source) in caplog.text


def test_a_store_that_hangs_holds_up_nobody_for_long(
    program, game, monkeypatch, caplog
):
    monkeypatch.setattr(api, "COMPARE_SECONDS", 0.3)
    caplog.set_level("ERROR")
    pointer = game.store / "ios/current.json"
    pointer.unlink()
    os.mkfifo(pointer)  # whoever opens it waits for somebody who writes
    for _ in range(2):
        began = time.monotonic()
        response = program.get(PATH, {"to": "v885"})
        assert time.monotonic() - began < 5
        assert problem_of(response, 503)["type"] == KIND + "not-ready"
        assert response["Retry-After"] == "2"
    assert caplog.records == []
    while changes.turn_of("ios").locked():  # lets the engine and the reader go
        os.close(os.open(pointer, os.O_RDWR))


def test_who_asks_again_gets_what_was_not_ready(program, game, monkeypatch):
    monkeypatch.setattr(api, "COMPARE_SECONDS", 0.0)
    until = time.monotonic() + 60
    while (response := program.get(PATH, {"to": "v885"})).status_code == 503:
        assert time.monotonic() < until
        monkeypatch.setattr(api, "COMPARE_SECONDS", 1.0)
    assert response.json()["added"]["files"] == 1


def test_too_many_at_a_time_are_told_to_come_back(program, store, monkeypatch):
    monkeypatch.setattr(changes, "WAITING", 0)
    problem = problem_of(program.get(PATH, {"to": "v885"}), 503)
    assert problem["detail"] == "Too many versions are being compared; try again."


def test_it_takes_a_key(stranger, store):
    problem_of(stranger.get(PATH, {"to": "v885"}), 401)


def test_every_group_may_ask_and_who_is_in_none_may_not(person, game):
    for group in ("viewer", "operator", "admin"):
        assert person(group).get(PATH, {"to": "v885"}).status_code == 200, group
    problem_of(person(None).get(PATH, {"to": "v885"}), 403)


def test_it_can_only_be_read(program, store):
    problem_of(program.post(PATH), 405)


def test_a_version_in_a_bucket_is_compared_too(
    program, store, tmp_path, game_on_moto, monkeypatch
):
    game = game_on_moto
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW_FILES)
    for name, value in game.environment.items():
        monkeypatch.setenv(name, value)
    found = changes_of(program, to="v885")
    assert found["plan"]["reusedFiles"] == 2
    assert found["playerBytes"][0]["bytes"] == 15
