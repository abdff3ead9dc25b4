"""The demo releases."""

import hashlib


def test_the_demo_has_its_counts_and_every_job_something_to_do(game):
    first = game.lines("demo")
    assert first[-1] == "Published v884. Try: python -m resources sync v885"
    assert game.lines("demo") == [
        f"The demo releases are already there, in {game.source}."
    ]
    totals = [line for line in game.lines("check", "v885") if line.startswith("Total")]
    assert totals == [
        "Total files checked: 1245",
        "Total files checked: 1387",
        "Total files checked: 960",
    ]
    reuse = game.lines("reuse", "v885")
    assert reuse[0].startswith("Reuse iOS: 1233 of 1245 files unchanged since v884")
    assert ", 12 new (" in reuse[2]
    lines = game.lines("sync", "v885", "--platform", "facebook")
    assert lines[0].startswith("Plan: 960 files, 12 new, 948 reused from v884, ")
    assert lines[1:] == ["Verified 12 uploads.", "Published v885 (was v884)."]
    size = sum(
        path.stat().st_size
        for path in game.source.glob("*/v885/**/*")
        if path.is_file()
    )
    assert 50_000_000 < size < 70_000_000
    manifest = (game.source / "ios/v885/manifest.jsonl").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == MANIFEST_SHA256, (
        "the demo's content changed: if that was meant, write the new digest here"
    )


def test_an_interrupted_demo_is_completed(game):
    (game.source / ".demo/assets").mkdir(parents=True)
    (game.source / ".demo/assets/half").write_bytes(b"")
    game.lines("demo")
    assert not (game.source / ".demo").exists()
    assert "EXTRA" not in "".join(game.lines("check", "v884"))


def test_what_a_store_serves_is_left_as_it_is(game):
    for platform in ("ios", "android", "facebook"):
        game.build("v900", {"a": b"1"}, platform)
    game.lines("sync", "v900", "--platform", "ios")
    lines = game.lines("demo")
    assert lines[-1] == "iOS serves v900: v884 was not published there."
    assert game.served()[0] == "v900"
    assert game.served("android")[0] == "v884"


MANIFEST_SHA256 = "c96583e32b1691038d1c4513ea23623b872e59d9daa592fad3d94143d5754e24"
