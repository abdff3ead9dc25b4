"""A crowd of players in several processes, and what is known of each of them."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PLAYER = Path(__file__).with_name("player.py")
STOP_SECONDS = 60


@dataclass(frozen=True)
class Poll:
    """One look at the pointer: refused where ``refusal`` says why; ``serial`` is that
    of the pointer that came, and ``version`` what the player had."""

    asked: float
    answered: float
    serial: int | None
    refusal: str | None
    version: str | None


@dataclass(frozen=True)
class Switch:
    """A version that was installed whole, after a poll that said so.

    ``state`` is the digest of all that lies on the player's disk.
    """

    asked: float
    answered: float
    serial: int
    version: str
    state: str
    at: float
    received: int
    files: int
    requests: int
    is_broken: bool


@dataclass
class Diary:
    """A record of what one player did."""

    name: str
    channel: str
    installed: str | None
    polls: list[Poll] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    refused: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def version(self) -> str | None:
        """Return what the player has now."""
        return self.switches[-1].version if self.switches else self.installed


class Crowd:
    """Players that poll until ``stop()``."""

    def __init__(self, folder: Path, diaries: list[Diary], **configuration) -> None:
        self.diaries = {diary.name: diary for diary in diaries}
        self._processes: list[subprocess.Popen] = []
        self._readers: list[threading.Thread] = []
        count = configuration.pop("processes")
        for number in range(count):
            mine = [(d.name, d.channel, d.installed) for d in diaries[number::count]]
            path = folder / f"players-{number}.json"
            path.write_text(json.dumps({**configuration, "players": mine}))
            process = subprocess.Popen(
                [sys.executable, PLAYER, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            reader = threading.Thread(target=self._read, args=[process], daemon=True)
            reader.start()
            self._processes.append(process)
            self._readers.append(reader)

    def __iter__(self) -> Iterator[Diary]:
        return iter(self.diaries.values())

    def versions(self) -> dict[str, int]:
        """Return how many players have each version now."""
        return dict(Counter(diary.version or "none" for diary in self))

    def reports(self, version: str) -> int:
        """Return how many players said that a version doesn't start."""
        return sum(
            any(one.is_broken and one.version == version for one in diary.switches)
            for diary in self
        )

    def refusals(self) -> list[str]:
        """Return what players refused most often, and why."""
        reasons = Counter(reason for diary in self for *_, reason in diary.refused)
        return [f"{count} x {reason}" for reason, count in reasons.most_common(3)]

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until something is so. Raises RuntimeError, also when players died."""
        deadline = time.monotonic() + seconds
        while not condition():
            if any(process.poll() is not None for process in self._processes):
                raise RuntimeError("a process of players ended")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"waited {seconds} s in vain for {what}; players have"
                    f" {self.versions()}, and refused {self.refusals()}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End all players, and read their diaries to the end."""
        for process in self._processes:
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
        for process, reader in zip(self._processes, self._readers, strict=True):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(STOP_SECONDS)
            process.stdout.close()

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            kind, name, *rest = json.loads(line)
            diary = self.diaries[name]
            if kind == "poll":
                diary.polls.append(Poll(*rest))
            elif kind == "switch":
                diary.switches.append(Switch(*rest))
            else:
                diary.refused.append(tuple(rest))
