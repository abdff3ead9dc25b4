"""What a story is played on: a source, a store, the way to the players, and a crowd."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .builds import BOOT_FILE, BROKEN, PLATFORM, ROOT, Build
from .crowd import Crowd, Diary
from .judge import Verdict, judge, meant_for
from .network import SIGNED, Cdn, Server, origin_of_bucket, origin_of_folder
from .publisher import Publisher

BUCKET, PREFIX = "games", "released"
BETA_EVERY, NEW_EVERY = 20, 100  # of the players, and who begins with nothing
LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Options:
    """How large the story is.

    ``stale_seconds`` is how long after its end a pointer may be seen: what the CDN
    keeps it for, and what its look at the origin takes on a busy machine.
    """

    players: int = 1000
    store: str = "folder"  # or s3
    interval_seconds: float = 1.0
    percents: tuple[str, str] = ("5", "25")  # of a rollout
    processes: int = 2
    stale_seconds: float = 5.0
    careless: bool = False  # players that verify nothing
    broken_percent: int = 100  # of the requests that a broken edge answers
    find_port: Callable[[], int] = field(default=lambda: free_port())


class Stage:
    """Everything is set up when the first version is served; leave it to take it down.

    ``builds`` begin with the version that is served first, and that players have.
    """

    def __init__(self, folder: Path, builds: list[Build], options: Options) -> None:
        self.folder, self.builds, self.options = folder, builds, options
        self.store = folder / "store"
        # From CLOCK_MONOTONIC, which diaries have, to time.time(), which logs have.
        self.clock_offset = time.time() - time.monotonic()
        self.verdict: Verdict | None = None
        self._processes: list[subprocess.Popen] = []
        self._servers: list[Server] = []
        self.crowd: Crowd | None = None

    def __enter__(self) -> "Stage":
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        cdn_port = self.options.find_port()
        # Without the machine's own settings, and with compiled modules.
        left_out = ("RESOURCE_", "AWS_", "TASK_", "PYTHONDONTWRITEBYTECODE")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(left_out)},
            "RESOURCE_SOURCE": str(self.builds[0].folder.parents[1]),
            "RESOURCE_STORE": str(self.store),
            "RESOURCE_PUBLIC_URL": f"http://127.0.0.1:{cdn_port}",
        }
        origin_folder, cdn_folder = self.folder / "origin", self.folder / "cdn"
        origin_folder.mkdir()
        cdn_folder.mkdir()
        origin_port = self.options.find_port()
        if self.options.store == "s3":
            host = self._start_s3(environment)
            self.origin = origin_of_bucket(
                origin_folder, origin_port, host, f"{BUCKET}/{PREFIX}"
            )
            read = _reader_of_bucket(f"http://{host}/{BUCKET}/{PREFIX}/{PLATFORM}")
        else:
            self.store.mkdir()
            rules = subprocess.run(
                [sys.executable, "-m", "resources", "headers", "--nginx"],
                cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            self.origin = origin_of_folder(
                origin_folder, origin_port, self.store, rules
            )
            read = _reader_of_folder(self.store / PLATFORM)
        self._servers.append(self.origin)
        self.cdn = Cdn(cdn_folder, cdn_port, self.origin, self.options.broken_percent)
        self._servers.append(self.cdn)
        self.publisher = Publisher(environment, read)
        first = self.builds[0].version
        self.publisher.run("sync", first)
        self.publisher.run("sync", first, "--channel", "beta", channel="beta")

    def gather(self) -> None:
        """Let the players begin, and wait until each has looked and has the first
        version, those who begin with nothing, too."""
        first = self.builds[0]
        numbers = range(self.options.players)
        diaries = [
            Diary(
                f"player-{number}",
                "beta" if number % BETA_EVERY == 1 else "live",
                None if number % NEW_EVERY == 2 else first.version,
            )
            for number in numbers
        ]
        self.crowd = Crowd(
            self.folder,
            diaries,
            processes=self.options.processes,
            port=self.cdn.port,
            platform=PLATFORM,
            interval=self.options.interval_seconds,
            careless=self.options.careless,
            boot=BOOT_FILE,
            broken=BROKEN.decode(),
            installed=first.files,
            digest=self.publisher.moves["live"][0].content["sha256"],
        )
        self.wait(lambda: all(diary.polls for diary in diaries), "a poll of each")
        self.settle()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what the players shall do."""
        self.crowd.wait(condition, what, LIMIT_SECONDS)

    def settle(self) -> None:
        """Wait until every player has what is meant for it now."""
        newest = {
            channel: moves[-1].content
            for channel, moves in self.publisher.moves.items()
        }
        meant = {
            diary.name: meant_for(diary.name, newest[diary.channel])
            for diary in self.crowd
        }
        self.wait(
            lambda: all(meant[diary.name] == diary.version for diary in self.crowd),
            "each player to have what is meant for it",
        )

    def polled(self, since: float) -> bool:
        """Return whether each player has looked at its pointer after a moment."""
        return all(
            diary.polls and diary.polls[-1].asked >= since for diary in self.crowd
        )

    def close(self) -> None:
        """Send the players home, take down what was set up, and judge."""
        if self.crowd is not None:
            self.crowd.stop()
        for server in reversed(self._servers):
            server.stop()
        for process in self._processes:
            process.terminate()
            process.wait()
        if self.crowd is not None and self.verdict is None:
            self.verdict = judge(
                self.crowd,
                self.publisher.moves,
                self.builds,
                stale_seconds=self.options.stale_seconds,
            )

    def _start_s3(self, environment: dict[str, str]) -> str:
        port = self.options.find_port()
        program = Path(sysconfig.get_path("scripts")) / "moto_server"
        process = subprocess.Popen(
            [program, "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._processes.append(process)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                make = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
                urllib.request.urlopen(make).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        environment |= {
            "RESOURCE_STORE": f"s3://{BUCKET}/{PREFIX}",
            "AWS_ACCESS_KEY_ID": "story",
            "AWS_SECRET_ACCESS_KEY": "story-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }
        return f"127.0.0.1:{port}"


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def alone(folder: Path, builds: list[Build], options: Options) -> Iterator[Stage]:
    """Set up a stage in a new folder, with its players."""
    folder.mkdir(parents=True)
    with Stage(folder, builds, options) as stage:
        stage.gather()
        yield stage


def pointer_name(channel: str) -> str:
    """Return where a channel's pointer lies, as docs/reference/releases.md says."""
    return "current.json" if channel == "live" else f"channels/{channel}.json"


def _reader_of_folder(platform: Path) -> Callable[[str], bytes | None]:
    def read(channel: str) -> bytes | None:
        try:
            return (platform / pointer_name(channel)).read_bytes()
        except FileNotFoundError:
            return None

    return read


def _reader_of_bucket(platform: str) -> Callable[[str], bytes | None]:
    def read(channel: str) -> bytes | None:
        try:
            ask = urllib.request.Request(f"{platform}/{pointer_name(channel)}")
            ask.add_header("Authorization", SIGNED)
            with urllib.request.urlopen(ask) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    return read
