"""The acts of a story: what the publisher does while the players poll."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import stock
from .builds import PLATFORM, Build
from .publisher import Command, Move
from .stage import Stage

LEAST_BUILDS = 6  # of a whole story


@dataclass
class Act:
    """A record of what happened between two moments (time.time()): the commands, the
    pointer that moved last, and how many players had each version at the end."""

    title: str
    began: float
    commands: list[Command] = field(default_factory=list)
    channel: str = "live"
    move: Move | None = None
    before: Move | None = None
    ended: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Story:
    """A release, from the testers to all, with what may go wrong on the way."""

    def __init__(self, stage: Stage, tell: Callable[[str], None]) -> None:
        self.stage, self.tell = stage, tell
        self.acts: list[Act] = []

    def follow(self, builds: list[Build]) -> None:
        """Serve versions to all players at once, one after the other."""
        with self._act(f"{len(builds)} versions, each to all") as act:
            for build in builds:
                self._run(act, "sync", build.version)
                self.stage.settle()

    def release(self, new: Build) -> None:
        """A good version: to testers, to some, to more, to all."""
        version = new.version
        with self._act(f"{version} to beta", "beta") as act:
            self._run(act, "check", version)
            self._run(act, "sync", version, "--channel", "beta")
        with self._act(f"{version} verified") as act:
            self._run(act, "check", version, "--store", "--deep")
            self._verify_public(act, version, "beta")
        for percent in self.stage.options.percents:
            with self._act(f"{version} to {percent} %") as act:
                self._run(act, "rollout", version, "--percent", percent)
        with self._act(f"{version} to all, killed on the way") as act:
            self._run(act, "rollout", version, "--percent", "100", kill=True)
        with self._act(f"{version} seen from outside") as act:
            self._verify_public(act, version, "live")
            self._install_anew(act, new)

    def halt(self, bad: Build, *, reports: bool) -> None:
        """A bad version that some of the players have when it is stopped."""
        version, percent = bad.version, self.stage.options.percents[0]
        with self._act(f"{version}, bad, to {percent} %") as act:
            self._run(act, "sync", version, "--no-pointer")
            self._run(act, "rollout", version, "--percent", percent)
            self._hear(act, version, reports)
        with self._act(f"{version} halted") as act:
            self._run(act, "rollout", version, "--halt")

    def roll_back(self, bad: Build, good: Build, *, reports: bool) -> None:
        """A bad version that all players have when it is taken back."""
        version = bad.version
        with self._act(f"{version}, bad, to all") as act:
            self._run(act, "sync", version)
            self._hear(act, version, reports)
        with self._act(f"rolled back to {good.version}") as act:
            self._run(act, "rollback", good.version)
            self.stage.settle()
            self._install_anew(act, good)

    def two_publishers(self, new: Build, other: Build) -> None:
        """One promotes from beta to live, and another publishes to a third channel."""
        with self._act(f"{new.version} to beta", "beta") as act:
            self._run(act, "sync", new.version, "--channel", "beta")
        with self._act(f"{new.version} promoted, {other.version} to qa at once") as act:
            publisher = self.stage.publisher
            promote = ("promote", new.version, "--from", "beta")
            sync = ("sync", other.version, "--channel", "qa")
            began = time.monotonic()
            running = [(one, publisher.start(*one)) for one in (promote, sync)]
            for (arguments, process), channel in zip(
                running, ("live", "qa"), strict=True
            ):
                act.commands.append(publisher.end(process, arguments, began, channel))
            serves = publisher.moves["qa"][-1].content["version"]
            if serves != other.version:
                raise RuntimeError(f"qa serves {serves}, not {other.version}")

    @contextmanager
    def _act(self, title: str, channel: str = "live") -> Iterator[Act]:
        self.tell(title)
        moves = self.stage.publisher.moves[channel]
        act = Act(title, time.time(), channel=channel)
        seen = len(moves)
        yield act
        self.stage.settle()
        # Each player looked once more: at every moment means after the last one, too.
        now = time.monotonic()
        self.stage.wait(lambda: self.stage.polled(now), "one more poll of each")
        if len(moves) > seen:
            act.before, act.move = moves[-2], moves[-1]
        act.ended, act.versions = time.time(), self.stage.crowd.versions()
        self.acts.append(act)

    def _run(self, act: Act, *arguments: str, kill: bool = False) -> None:
        """Run a command on the act's channel, past what stops a version that is meant
        all the same: a real game has some, and each is noted."""
        publisher, channel = self.stage.publisher, act.channel
        try:
            command = publisher.run(*arguments, channel=channel, kill=kill)
        except RuntimeError as error:
            allowed = {"the guard stops": ("--guard", "100"),
                       "--allow-older": ("--allow-older",)}  # fmt: skip
            more = next((o for text, o in allowed.items() if text in str(error)), None)
            if more is None:
                raise
            act.notes.append(str(error))
            command = publisher.run(*arguments, *more, channel=channel)
        act.commands.append(command)

    def _verify_public(self, act: Act, version: str, channel: str) -> None:
        if self.stage.publisher.has("verify-public"):
            self._run(act, "verify-public", version, "--channel", channel)

    def _install_anew(self, act: Act, build: Build) -> None:
        """Let a stock client of Cocos install what all players have, where the game
        is one of Cocos and the engine serves those at a fixed address."""
        found = stock.installed(self.stage.cdn.port, PLATFORM)
        if found is None:
            return
        version, files = found
        wrong = {path for path, sha in files.items() if build.files.get(path) != sha}
        if not files or wrong:
            raise RuntimeError(f"a stock client's {version} is not {build.version}")
        act.notes.append(f"a stock client installed {version}, {len(files)} files")

    def _hear(self, act: Act, version: str, reports: bool) -> None:
        """Wait until half of those who have a bad version said so."""
        if not reports:
            return
        crowd = self.stage.crowd

        def has_enough() -> bool:
            have = sum(diary.version == version for diary in crowd)
            return have > 0 and crowd.reports(version) * 2 >= have

        self.stage.wait(has_enough, f"players to say that {version} is bad")


def play(stage: Stage, tell: Callable[[str], None], *, reports: bool) -> list[Act]:
    """Play the whole story with the last six builds, after all that come before; of
    fewer each is served to all."""
    story = Story(stage, tell)
    if len(stage.builds) < LEAST_BUILDS:
        story.follow(stage.builds[1:])
        return story.acts
    *earlier, first, good, halted, bad, better, other = stage.builds
    if earlier:  # the first of all is served already
        story.follow([*earlier[1:], first])
    story.release(good)
    story.halt(halted, reports=reports)
    story.roll_back(bad, good, reports=reports)
    story.two_publishers(better, other)
    return story.acts
