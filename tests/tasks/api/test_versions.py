"""GET /api/versions."""

import os

import pytest

from resources.stores.pointer import Pointer
from tasks import patient_reader, versions
from tests.resources.conftest import OLD_FILES, Game
from tests.tasks.api.answers import problem_of
from tests.tasks.served import hanging
from tests.waiting import wait_until

PLATFORMS = ("ios", "android", "facebook")
BUILT = 1764153001.234  # 2025-11-26T10:30:01.234Z


@pytest.fixture
def game(store):
    """The source beside the store, with nothing built in it yet."""
    game = Game(store.parent)
    for platform in PLATFORMS:
        (game.source / platform).mkdir(parents=True)
    return game


def build(game, version, platform="ios"):
    folder = game.build(version, OLD_FILES, platform)
    os.utime(folder / "manifest.jsonl", (BUILT, BUILT))
    return folder


def put_in_store(game, version, platform="ios"):
    """Let the store have a whole version; only its manifest is looked at."""
    manifest = build(game, version, platform) / "manifest.jsonl"
    target = game.store / platform / "versions" / version / "manifest.jsonl"
    target.parent.mkdir(parents=True)
    target.write_bytes(manifest.read_bytes())


def serve(game, version, platform="ios", **values):
    pointer = Pointer(version, "a" * 64, **values)
    (game.store / platform / "current.json").write_bytes(pointer.encode())


def ask(client, query=""):
    response = client.get(f"/api/versions{query}")
    assert response.status_code == 200
    return response.json()


def names(answer):
    return [(entry["version"], entry["platform"]) for entry in answer["versions"]]


def errors(answer):
    return {
        (place["platform"], place["place"]): place["error"]
        for place in answer["places"]
        if place["error"]
    }


def test_where_nothing_lies_there_is_nothing_and_all_was_asked(program, game):
    assert ask(program) == {
        "versions": [],
        "places": [
            {"platform": platform, "place": place, "older": 0, "error": None}
            for platform in PLATFORMS
            for place in ("source", "store")
        ],
    }


def test_a_version_says_where_it_lies_since_when_and_how_large_it_is(program, game):
    put_in_store(game, "v884")
    serve(game, "v884", published_at="2025-11-27T08:00:00.000Z")
    build(game, "v885")
    v885, v884 = ask(program)["versions"]
    assert v885 == {
        "version": "v885",
        "platform": "ios",
        "builtAt": "2025-11-26T10:30:01.234Z",
        "publishedAt": None,
        "files": len(OLD_FILES),
        "bytes": sum(map(len, OLD_FILES.values())),
        "inSource": True,
        "inStore": False,
        "isLive": False,
    }
    assert v884 == {
        **v885,
        "version": "v884",
        "publishedAt": "2025-11-27T08:00:00.000Z",
        "inStore": True,
        "isLive": True,
    }


def test_they_come_newest_first_and_of_one_version_by_platform(program, game):
    for platform, version in (
        *(("facebook", "v10"), ("ios", "v9"), ("android", "v10"), ("ios", "v10")),
    ):
        build(game, version, platform)
    assert names(ask(program)) == [
        *(("v10", "ios"), ("v10", "android"), ("v10", "facebook"), ("v9", "ios")),
    ]


def test_one_platform_or_several_can_be_asked_for(program, game):
    for platform in PLATFORMS:
        build(game, "v1", platform)
    one = ask(program, "?platform=android")
    assert names(one) == [("v1", "android")]
    assert {place["platform"] for place in one["places"]} == {"android"}
    both = ask(program, "?platform=android,ios")
    assert names(both) == [("v1", "ios"), ("v1", "android")]


def test_an_unknown_platform_is_a_problem_that_names_those_there_are(program, game):
    body = problem_of(program.get("/api/versions?platform=ios,wii"), 400)
    text = "Must be one of: ios, android, facebook."
    assert body["errors"] == {"platform": [text]}


def test_a_version_that_left_the_source_is_still_in_the_store(program, game):
    put_in_store(game, "v1")
    (game.source / "ios/v1").rename(game.source / "away")
    (found,) = ask(program)["versions"]
    assert (found["inSource"], found["inStore"]) == (False, True)
    assert found["builtAt"] is None
    assert found["files"] == len(OLD_FILES)


def test_what_is_older_than_what_was_looked_at_is_counted_and_not_known(
    program, game, monkeypatch
):
    monkeypatch.setattr("resources.releases.available.MOST_VERSIONS", 1)
    put_in_store(game, "v1")
    put_in_store(game, "v2")
    (game.source / "ios/v2").rename(game.source / "away")
    answer = ask(program, "?platform=ios")
    v2, v1 = answer["versions"]
    assert (v2["inSource"], v2["inStore"]) == (False, True)
    assert (v1["inSource"], v1["inStore"], v1["isLive"]) == (True, None, False)
    assert [place["older"] for place in answer["places"]] == [0, 1]


def test_a_place_that_can_t_be_read_is_said_and_the_other_is_listed(
    program, game, monkeypatch
):
    build(game, "v1")
    monkeypatch.setenv("RESOURCE_STORE_IOS", "ftp://host/secret-path")
    answer = ask(program)
    assert errors(answer) == {("ios", "store"): "The store could not be read."}
    (found,) = answer["versions"]
    assert (found["inSource"], found["inStore"], found["isLive"]) == (True, None, None)


def test_a_source_that_is_not_there_is_said(program, game, monkeypatch):
    put_in_store(game, "v1")
    monkeypatch.setenv("RESOURCE_SOURCE", "/not/there")
    answer = ask(program, "?platform=ios")
    assert errors(answer) == {("ios", "source"): "The source could not be read."}
    (found,) = answer["versions"]
    assert (found["inSource"], found["inStore"]) == (None, True)


def test_a_source_that_is_not_there_is_logged_once_and_again_when_it_is_back(
    program, game, monkeypatch, caplog
):
    monkeypatch.setattr(versions, "FRESH_SECONDS", 0)
    caplog.set_level("INFO", "tasks")
    away = game.source.rename(game.source.with_name("away"))
    for _ in range(3):
        assert errors(ask(program, "?platform=ios"))
    away.rename(game.source)
    for _ in range(2):
        wait_until(lambda: not errors(ask(program, "?platform=ios")))
    said = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "tasks.releases"
    ]
    missing = f"[Errno 2] No such file or directory: '{game.source}'"
    assert said == [
        ("WARNING", f"versions in the source platform=ios: {missing}"),
        ("INFO", "versions in the source platform=ios: can be read again"),
    ]


def test_a_store_that_hangs_holds_up_nobody_for_long(program, game, monkeypatch):
    monkeypatch.setattr(patient_reader, "READ_SECONDS", 0.2)
    build(game, "v1")
    with hanging(game.store / "ios/current.json"):
        for _ in range(3):
            answer = ask(program)
            text = "The store did not answer in time."
            assert errors(answer) == {("ios", "store"): text}
            assert names(answer) == [("v1", "ios")]


def test_it_is_read_once_for_many_who_ask(program, game, monkeypatch):
    assert names(ask(program)) == []
    build(game, "v1")
    assert names(ask(program)) == []
    monkeypatch.setattr(versions, "FRESH_SECONDS", 0)
    assert names(ask(program)) == [("v1", "ios")]


def test_the_error_is_said_in_the_language_of_who_asks(program, game, monkeypatch):
    monkeypatch.setenv("RESOURCE_STORE_IOS", "ftp://host")
    response = program.get("/api/versions", headers={"Accept-Language": "zh-Hans"})
    assert set(errors(response.json()).values()) == {"无法读取存储。"}


def test_a_page_s_session_may_ask_for_it(staff, game):
    assert ask(staff)["versions"] == []


def test_it_takes_a_key(stranger, game):
    problem_of(stranger.get("/api/versions"), 401)


def test_it_can_only_be_read(program, game):
    problem_of(program.post("/api/versions"), 405)


def test_its_entries_are_those_of_the_schema(program, stranger, game):
    build(game, "v1")
    schemas = stranger.get("/api/schema").json()["components"]["schemas"]
    answer = ask(program)
    for name, entry in (
        ("Version", answer["versions"][0]),
        ("VersionPlace", answer["places"][0]),
    ):
        assert set(schemas[name]["required"]) == set(entry)
        assert set(schemas[name]["properties"]) == set(entry)
