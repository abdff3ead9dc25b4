"""Edges of a CDN that serve what is wrong, and what players make of it.

Each way is shown with one version that goes to all, and in the end the edge is mended.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .builds import PLATFORM, Build
from .judge import Verdict
from .stage import Options, Stage, alone


@dataclass(frozen=True)
class Outcome:
    """The outcome of a broken edge: who had the new version while it was broken, and
    the verdict on all of it, the time after included."""

    had_new: int
    verdict: Verdict

    @property
    def kinds(self) -> set[str]:
        """Return the kinds of faults that the judge found."""
        return {fault.kind for fault in self.verdict.faults}


@dataclass(frozen=True)
class Break:
    """A way to be wrong, and what is right to happen then; ``faults`` are the kinds
    that the judge has to find, because players can't see them."""

    text: str
    spoil: Callable[[Stage, Build, Build], None]
    refuses: str  # what players refuse: polls | downloads | nothing
    faults: frozenset[str] = frozenset()
    percent: int = 100
    careless: bool = False

    def holds(self, outcome: Outcome) -> bool:
        """Return whether that happened."""
        verdict = outcome.verdict
        refused = {
            "polls": verdict.refused_polls > 0,
            "downloads": verdict.refused_downloads > 0 and outcome.had_new == 0,
            "nothing": True,
        }[self.refuses]
        if self.percent < 100:  # who meets the old pointer alone for long, is late
            return refused and outcome.kinds <= self.faults
        return refused and outcome.kinds == self.faults


def show(folder: Path, builds: list[Build], options: Options, way: Break) -> Outcome:
    """Publish the second build while the edge is broken."""
    options = replace(options, broken_percent=way.percent, careless=way.careless)
    old, new = builds[:2]
    with alone(folder, builds, options) as stage:
        stage.publisher.run("sync", new.version, "--no-pointer")
        way.spoil(stage, old, new)
        stage.publisher.run("publish", new.version)
        crowd = stage.crowd
        players = [diary for diary in crowd if diary.channel == "live"]
        if way.refuses == "downloads":
            stage.wait(lambda: all(one.refused for one in players), "a refusal of each")
        elif way.refuses == "polls":
            stage.wait(
                lambda: all(any(p.refusal for p in one.polls) for one in players),
                "a refusal of each",
            )
        elif way.careless:
            stage.settle()  # they take what comes
        else:
            late = time.monotonic() + options.stale_seconds + 1
            stage.wait(lambda: stage.polled(late), "polls after what may be late")
        had_new = sum(one.version == new.version for one in players)
        shutil.rmtree(stage.cdn.wrong / PLATFORM)
        stage.settle()
    return Outcome(had_new, stage.verdict)


def _wrong(stage: Stage, path: str, data: bytes, second: float | None = None) -> None:
    """Let the edge serve bytes under an address, perhaps as of an earlier time."""
    place = stage.cdn.wrong / PLATFORM / path
    place.parent.mkdir(parents=True, exist_ok=True)
    # In one step, as nginx may read it at any moment.
    new = place.with_name(f".{place.name}.new")
    new.write_bytes(data)
    if second is not None:
        os.utime(new, (second, second))
    new.rename(place)


def _other_manifest(stage: Stage, old: Build, new: Build) -> None:
    manifest = stage.store / PLATFORM / "versions" / old.version / "manifest.jsonl"
    _wrong(stage, f"versions/{new.version}/manifest.jsonl", manifest.read_bytes())


def _other_files(stage: Stage, old: Build, new: Build) -> None:
    for path in _changed(old, new):
        _wrong(
            stage, f"versions/{new.version}/{path}", (old.folder / path).read_bytes()
        )


def _cut_files(stage: Stage, old: Build, new: Build) -> None:
    for path in _changed(old, new):
        data = (new.folder / path).read_bytes()
        _wrong(stage, f"versions/{new.version}/{path}", data[: len(data) // 2])


def _old_pointer(stage: Stage, old: Build, new: Build) -> None:
    # With its own ETag, which nginx makes of its time.
    second = (stage.store / PLATFORM / "current.json").stat().st_mtime
    _wrong(stage, "current.json", stage.publisher.read("live"), second)


def _changed(old: Build, new: Build) -> list[str]:
    return [path for path in new.files if old.files.get(path, "") != new.files[path]
            and path in old.files]  # fmt: skip


BREAKS = {
    "manifest": Break(
        "the manifest of another version", _other_manifest, refuses="downloads"
    ),
    "mix": Break("the files of another version", _other_files, refuses="downloads"),
    "cut": Break("files that are cut off", _cut_files, refuses="downloads"),
    "stale": Break(
        "an old pointer to every other request", _old_pointer, refuses="polls",
        faults=frozenset({"old pointer"}), percent=50,
    ),
    "frozen": Break(
        "an old pointer to every request", _old_pointer, refuses="nothing",
        faults=frozenset({"old pointer"}),
    ),
    "careless": Break(
        "the files of another version, to players that verify nothing", _other_files,
        refuses="nothing", faults=frozenset({"mixed"}), careless=True,
    ),
}  # fmt: skip
