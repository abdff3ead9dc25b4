"""What a version changes, as people read it."""

import re

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from resources.releases.current import all_platforms
from tasks import changes
from tasks.catalog.loader import catalog
from tasks.presenters import changes as presenter
from tasks.presenters.changes import (
    Planned,
    planned_sentence,
    planned_sentences,
    shown_changes,
)
from tasks.presenters.consequence import published_platforms
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game

UPLOAD = """
[upload]
[upload.params.version]
[[upload.steps]]
command = [
    "{python}", "-m", "resources", "sync", "{version}", "--platform=ios",
    "--no-pointer",
]
"""
NO_FILES = {"files": 0, "bytes": 0}
SOME = {
    "platform": "ios",
    "live": "v884",
    "from": {"version": "v884", "files": 1241, "bytes": 22104193},
    "to": {"version": "v885", "files": 1245, "bytes": 22165861, "stored": False},
    "added": {"files": 4, "bytes": 61668},
    "changed": {"files": 8, "bytes": 169357},
    "moved": NO_FILES,
    "removed": NO_FILES,
    "unchanged": {"files": 1233, "bytes": 21934836},
    "folders": [
        {
            "folder": "<b>",
            "added": {"files": 4, "bytes": 300},
            "changed": {"files": 7, "bytes": 100},
            "moved": NO_FILES,
            "removed": NO_FILES,
        },
        {
            "folder": "",
            "added": NO_FILES,
            "changed": {"files": 1, "bytes": 100},
            "moved": NO_FILES,
            "removed": NO_FILES,
        },
    ],
    "foldersOmitted": 1,
    "largest": [
        {"path": "a/<i>.js", "kind": "changed", "bytes": 77988, "before": 40},
        {"path": "b.png", "kind": "added", "bytes": 43037, "before": None},
    ],
    "download": {
        "version": "v884",
        "files": 12,
        "bytes": 231025,
        "newContentBytes": 231025,
    },
    "playerBytes": [
        {"version": "v884", "files": 12, "bytes": 231025, "newContentBytes": 231025},
        {"version": "v883", "files": 40, "bytes": 462050, "newContentBytes": 1000},
    ],
    "plan": {
        "newFiles": 12,
        "newBytes": 231025,
        "reusedFiles": 1233,
        "reusedBytes": 21934836,
        "reusedFrom": "v884",
        "movedFiles": 0,
        "doubledFiles": 0,
        "doubledBytes": 0,
        "uploadBytes": 231025,
    },
    "guard": {
        "files": 1241,
        "dropped": 0,
        "changed": 8,
        "percent": 0.64,
        "limitPercent": 20,
        "passes": True,
    },
}


@pytest.fixture
def found(monkeypatch):
    """Has the engine say something; gives what a test may change of it."""
    said = dict(SOME)

    def changes_within(seconds, platform, version, since=""):
        if isinstance(said.get("raises"), Exception):
            raise said["raises"]
        return said

    monkeypatch.setattr(presenter, "changes_within", changes_within)
    return said


def test_a_version_is_summed_up_in_a_sentence_before_it_is_started(found):
    assert planned_sentence("ios", "v885") == Planned(
        "iOS: 12 new, 1,233 reused · 231.0 kB per player · guard 0.6 % of 20 %", "ok"
    )


@pytest.mark.parametrize(
    ("limit", "end", "state"),
    [
        (20, "guard 0.6 % of 20 %", "ok"),
        (0, "guard 0.6 % of 0 %", "warning"),
        (100, "0.6 % changed, guard off", "ok"),
    ],
)
def test_the_guard_is_the_form_s(found, limit, end, state):
    planned = planned_sentence("ios", "v885", limit=limit)
    assert planned.text.endswith(f" · {end}")
    assert planned.state == state


def test_a_first_version_has_neither_player_nor_guard(found):
    found.update({"from": None, "live": None, "download": None, "guard": None})
    assert planned_sentence("ios", "v885").text == (
        "iOS: first version, 12 files, 231.0 kB"
    )


def test_what_is_stored_or_live_already_is_said(found):
    found["plan"] = None
    assert planned_sentence("ios", "v885").text.startswith(
        "iOS: in the store already · 231.0 kB per player"
    )
    found["live"] = "v885"
    assert planned_sentence("ios", "v885") == Planned(
        "iOS: v885 is live already", "none"
    )


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (changes.NotReady("x"), Planned("iOS: still being compared …", "pending")),
        (changes.UnknownVersion("There is none."), Planned("There is none.", "none")),
        (changes.NotComparable("Not comparable."), Planned("Not comparable.", "none")),
    ],
)
def test_where_nothing_can_be_said_that_is_said(found, raises, said):
    found["raises"] = raises
    assert planned_sentence("ios", "v885") == said
    shown = shown_changes("ios", "v885")
    assert (shown.problem, shown.is_pending) == (str(raises), said.state == "pending")
    assert str(raises) in render_to_string("changes.html", {"changes": shown})


@pytest.mark.parametrize(
    ("kind", "platforms"),
    [
        ("sync-facebook", ["facebook"]),
        ("sync-native", ["ios", "android"]),
        ("full-sync", ["ios", "android", "facebook"]),
        ("check-integrity", []),
        ("rollback", []),
    ],
)
def test_a_form_knows_to_which_platforms_it_brings_a_version(kind, platforms):
    found = published_platforms(
        catalog()[kind], {"version": "v885"}, list(all_platforms())
    )
    assert found == platforms


def test_what_is_only_uploaded_is_brought_too(use_task_types):
    use_task_types(UPLOAD)
    platforms = list(all_platforms())
    kind = catalog()["upload"]
    assert published_platforms(kind, {"version": "v885"}, platforms) == ["ios"]


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_shows_folders_players_and_the_largest_files(found):
    html = render_to_string("changes.html", {"changes": shown_changes("ios", "v885")})
    text = text_of(html)
    assert (
        "4 added, 8 changed, 1,233 unchanged · 231.0 kB per player from v884"
        " 1,245 files, 22.2 MB in all (+61.7 kB)"
        " 12 new, 1,233 reused · guard 0.6 % of 20 %"
    ) in text
    assert "Folder Download Added Changed &lt;b&gt; 400 B 4 7 / 100 B 1" in text
    assert "1 more folder" in text
    assert "v884 live 12 231.0 kB v883 40 462.1 kB 1.0 kB by content" in text
    assert "40 B → 78.0 kB Changed a/ &lt;i&gt;.js 43.0 kB Added b.png" in text
    assert "<rect" in html
    assert "style=" not in html


def test_bars_are_parts_of_the_longest(found):
    shown = shown_changes("ios", "v885")
    assert shown.folders[0].bars == [("added", 0, 750), ("changed", 750, 250)]
    assert shown.folders[1].bars == [("changed", 0, 250)]
    assert [row.width for row in shown.players] == [500, 1000]


def test_a_stop_of_the_guard_is_marked(found):
    found["guard"] = {**SOME["guard"], "percent": 31.0, "passes": False}
    html = render_to_string("changes.html", {"changes": shown_changes("ios", "v885")})
    assert 'class="changes-plan stops"' in html


def test_the_sentences_come_from_the_engine_itself(store, tmp_path, monkeypatch):
    monkeypatch.setenv("RESOURCE_SOURCE", str(tmp_path / "source"))
    game = Game(tmp_path)
    game.environment["RESOURCE_STORE"] = str(store)
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW_FILES)
    changes.forget()
    with translation.override("en"):
        ios, android = planned_sentences(["ios", "android"], "v885", seconds=60.0)
    assert ios == Planned(
        "iOS: 2 new, 2 reused · 15 B per player · guard 33.3 % of 20 %", "warning"
    )
    assert android == Planned("Android has no version yet.", "none")
