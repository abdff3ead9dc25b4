"""The publisher: runs the engine's commands, and notes what they did to pointers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .builds import PLATFORM, ROOT

LIMIT_SECONDS = 600
CONFLICT = 4
FOREVER = float("inf")


@dataclass(frozen=True)
class Command:
    """A command that was run: how long it took, and how often it was killed first."""

    text: str
    seconds: float
    exit_code: int
    output: str
    kills: int = 0
    conflicts: int = 0


@dataclass
class Move:
    """A pointer for as long as it was served.

    It was moved to at some moment from ``began`` to ``ended``, in seconds of
    CLOCK_MONOTONIC, and replaced before ``replaced``.
    """

    channel: str
    serial: int
    content: dict
    began: float
    ended: float
    goes_back: bool
    replaced: float = FOREVER


@dataclass
class Publisher:
    """Somebody who runs ``python -m resources``.

    ``read`` returns the bytes of a channel's pointer as they lie in the store, or None.
    """

    environment: dict[str, str]
    read: Callable[[str], bytes | None]
    moves: dict[str, list[Move]] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    def run(
        self, *arguments: str, channel: str = "live", kill: bool = False
    ) -> Command:
        """Run a command that has to succeed, on a channel whose pointer it may move.

        With ``kill`` it is killed first, again and again and each time a little later,
        until it came to its end before that. Raises RuntimeError.
        """
        kills = 0
        delay = 0.05
        while kill:
            began = time.monotonic()
            process = self.start(*arguments)
            try:
                process.communicate(timeout=delay)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                self.note(channel, began, goes_back=False)
                delay *= 1.4
                continue
            self.note(channel, began, goes_back=False)
            break
        began = time.monotonic()
        process = self.start(*arguments)
        return self.end(process, arguments, began, channel, kills)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "resources", *arguments, "--platform", PLATFORM],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(
        self,
        process: subprocess.Popen,
        arguments: tuple[str, ...],
        began: float,
        channel: str,
        kills: int = 0,
    ) -> Command:
        """Wait for a command that was started, and note what it did. One that lost
        against another publisher is run again."""
        conflicts = 0
        while True:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
            ended = time.monotonic()
            goes_back = arguments[0] == "rollback" or "--halt" in arguments
            self.note(channel, began, goes_back=goes_back)
            if process.returncode != CONFLICT:
                break
            conflicts += 1
            time.sleep(0.1)
            process = self.start(*arguments)
        text = " ".join(arguments)
        command = Command(
            text, ended - began, process.returncode, output, kills, conflicts
        )
        self.commands.append(command)
        if process.returncode:
            raise RuntimeError(f"{text}: exit code {process.returncode}: {output}")
        return command

    def note(self, channel: str, began: float, *, goes_back: bool) -> None:
        """Note the pointer of a channel, if it is another than before ``began``."""
        content = self.read(channel)
        ended = time.monotonic()
        if content is None:
            return
        pointer = json.loads(content)
        moves = self.moves.setdefault(channel, [])
        if moves and moves[-1].content == pointer:
            return
        if moves:
            moves[-1].replaced = ended
        serial = pointer["serial"]
        moves.append(Move(channel, serial, pointer, began, ended, goes_back))

    def has(self, command: str) -> bool:
        """Return whether the engine has a command."""
        process = subprocess.run(
            [sys.executable, "-m", "resources", command, "--help"],
            cwd=ROOT, env=self.environment, capture_output=True, check=False,
        )  # fmt: skip
        return process.returncode == 0
