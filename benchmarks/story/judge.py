"""The judge: whether each player had, at every moment, one whole version that was
meant for it.

It goes by what it knows itself: the builds as they lay in the source, and the pointers
as they lay in the store. Who is in a rollout it finds out by the rule as it is written
in docs/reference/releases.md, not by a reader of ours.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .builds import Build
from .crowd import Diary, Poll, Switch
from .publisher import Move


@dataclass(frozen=True)
class Fault:
    """Something that a player must never see."""

    player: str
    kind: str  # wrong | mixed | back | old pointer | future pointer | unknown pointer …
    text: str


@dataclass(frozen=True)
class Verdict:
    """A verdict: what was looked at, and what was wrong with it."""

    players: int
    polls: int
    switches: int
    refused_polls: int
    refused_downloads: int
    oldest_seconds: float  # how long ago the oldest pointer was replaced when it came
    faults: list[Fault]

    @property
    def wrong_players(self) -> int:
        """Return how many players had at any time what was not meant for them, or not
        whole."""
        return len({fault.player for fault in self.faults})


def meant_for(player: str, pointer: dict) -> str:
    """Return the version that a pointer means for a player."""
    rollout = pointer.get("rollout")
    if rollout:
        text = f"{rollout['salt']}:{player}".encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
        if number % 10_000 < rollout["percent"] * 100:
            return rollout["version"]
    return pointer["version"]


def judge(
    diaries: Iterable[Diary],
    moves: dict[str, list[Move]],
    builds: Iterable[Build],
    *,
    stale_seconds: float,
) -> Verdict:
    """Return what is to be said of all players.

    ``stale_seconds`` is how long a pointer may be seen after it was replaced.
    """
    known = {build.version: build.state for build in builds}
    diaries = list(diaries)
    faults: list[Fault] = []
    oldest = 0.0
    for diary in diaries:
        court = _Court(diary, moves.get(diary.channel, []), known, stale_seconds)
        faults += court.faults()
        oldest = max(oldest, court.oldest)
    for channel, moved in moves.items():
        faults += _faults_of_moves(channel, moved)
    if not diaries:
        faults.append(Fault("", "nothing", "there was no player to look at"))
    return Verdict(
        len(diaries),
        sum(len(diary.polls) for diary in diaries),
        sum(len(diary.switches) for diary in diaries),
        sum(poll.refusal is not None for diary in diaries for poll in diary.polls),
        sum(len(diary.refused) for diary in diaries),
        oldest,
        faults,
    )


def _faults_of_moves(channel: str, moves: list[Move]) -> Iterator[Fault]:
    for before, after in pairwise(moves):
        if after.serial <= before.serial:
            text = f"{channel} went from {before.serial} to {after.serial}"
            yield Fault(f"all on {channel}", "serial", text)


class _Court:
    """One player's diary, held against the pointers of its channel."""

    def __init__(
        self, diary: Diary, moves: list[Move], known: dict[str, str], stale: float
    ) -> None:
        self._diary, self._known, self._stale = diary, known, stale
        self._moves = {move.serial: move for move in moves}
        self._order = [move.serial for move in moves]
        self.oldest = 0.0

    def faults(self) -> Iterator[Fault]:
        """Yield all that is wrong with it."""
        accepted = [poll for poll in self._diary.polls if poll.refusal is None]
        if not accepted:
            yield self._fault("nothing", "it never had a pointer, so nothing is known")
        serial = 0
        for poll in accepted:
            yield from self._seen(poll)
            if poll.serial is None or poll.serial < serial:
                yield self._fault("serial", f"{poll.serial} after {serial}")
            serial = max(serial, poll.serial or 0)
        yield from self._had()
        before, last = self._diary.installed, None
        for switch in self._diary.switches:
            yield from self._switched(switch, before, last)
            before, last = switch.version, switch.serial

    def _seen(self, poll: Poll) -> Iterator[Fault]:
        """Return whether a pointer was served when it came."""
        move = self._moves.get(poll.serial)
        if move is None:
            yield self._fault("unknown pointer", f"nobody published {poll.serial}")
            return
        if poll.answered < move.began:
            text = f"{poll.serial} came before it was published"
            yield self._fault("future pointer", text)
        age = poll.asked - move.replaced
        self.oldest = max(self.oldest, age)
        if age > self._stale:
            text = f"{poll.serial} came {age:.1f} s after it was replaced"
            yield self._fault("old pointer", text)

    def _had(self) -> Iterator[Fault]:
        """Say whether the player had, at each poll, what it had installed last."""
        switches = iter(self._diary.switches)
        has, after = self._diary.installed, next(switches, None)
        for poll in self._diary.polls:
            while after is not None and after.at <= poll.answered:
                has, after = after.version, next(switches, None)
            if poll.version != has:
                text = f"it says {poll.version} where it had installed {has}"
                yield self._fault("wrong", text)

    def _switched(
        self, switch: Switch, before: str | None, last: int | None
    ) -> Iterator[Fault]:
        move = self._moves.get(switch.serial)
        if move is None:
            text = f"{switch.version} by a pointer {switch.serial} of nobody's"
            yield self._fault("unknown pointer", text)
            return
        meant = meant_for(self._diary.name, move.content)
        if switch.version != meant:
            text = f"it installed {switch.version}, {meant} was meant"
            yield self._fault("wrong", text)
        if switch.state != self._known.get(switch.version):
            text = f"what it has of {switch.version} is not that version as it was made"
            yield self._fault("mixed", text)
        if self._is_older(switch.version, before) and not any(
            self._moves[serial].goes_back
            for serial in self._order
            if (last is None or serial > last) and serial <= switch.serial
        ):
            text = f"from {before} to {switch.version}, and nobody took it back"
            yield self._fault("back", text)

    def _is_older(self, version: str, before: str | None) -> bool:
        order = list(self._known)
        there = before in order and version in order
        return there and order.index(version) < order.index(before)

    def _fault(self, kind: str, text: str) -> Fault:
        return Fault(self._diary.name, kind, text)
