"""A listing that is begun at several paths finds what one from the beginning finds."""

import pytest

from resources.stores.bucket import listing_at_once, objects
from resources.stores.bucket.listing_at_once import pages_at_once

PATHS = sorted(
    [f"d{number % 3}/{number:02}" for number in range(40)]
    + ["a-b", "a/b", "a0", "a b", "ü", "日本/é"]
)
KEYS = [path.encode() for path in PATHS]


@pytest.fixture
def small_pages(monkeypatch):
    """Ten objects are a page, and every second path is a place to begin at."""
    for module in (objects, listing_at_once):
        monkeypatch.setattr(module, "PAGE_OBJECTS", 10)
    monkeypatch.setattr(listing_at_once, "EVERY", 2)


@pytest.fixture(params=["moto", "rclone", "azurite", "google"])
def filled_game(request, small_pages):
    return filled(request.getfixturevalue(f"game_on_{request.param}"))


def filled(game):
    """Put PATHS into a game's bucket."""
    bucket = game.bucket()
    for path in PATHS:
        bucket.put(f"versions/v1/{path}", path.encode())
    return game


def listed(game, expected, folder="versions/v1"):
    pages = pages_at_once(game.bucket(), folder, lambda: expected)
    return [(each.path, each.size) for page in pages for each in page]


@pytest.mark.parametrize(
    "expected",
    [
        KEYS,
        KEYS[::3],
        KEYS[:12],
        KEYS[20:],
        [],
        [b"c", b"d0", b"d1", b"d1x", b"zz"],
        sorted([*KEYS, *(b"d1/%03d" % number for number in range(300))]),
    ],
)
def test_whatever_was_expected_all_is_found_once(filled_game, expected):
    assert sorted(listed(filled_game, expected)) == [
        (path, len(path.encode())) for path in PATHS
    ]
    assert listed(filled_game, expected, "versions/v2") == []


def test_it_is_begun_at_several_paths(game_on_moto, small_pages):
    game = filled(game_on_moto)
    listed(game, KEYS)
    queries = [request.query for request in game.proxy.requests]
    assert sum("start-after" in query for query in queries) == 5


def test_a_store_that_does_not_list_in_order_is_listed_from_the_beginning(
    game_on_moto, small_pages, monkeypatch
):
    bucket = filled(game_on_moto).bucket()
    pages = bucket.pages

    def out_of_order(folder, after="", last_path=""):
        for page in pages(folder, after, last_path):
            yield page[:0:-1] if after else page

    monkeypatch.setattr(bucket, "pages", out_of_order)
    found = pages_at_once(bucket, "versions/v1", lambda: KEYS)
    assert {each.path for page in found for each in page} == set(PATHS)
