"""Players: each polls the pointer of its channel and gets the version meant for it.

    python player.py CONFIGURATION

A process of many players, each with a connection of its own that is kept. What they
poll, install and refuse is written to standard output, a JSON array a line; times are
of CLOCK_MONOTONIC, which is one clock for all processes. It ends with its input.

Which version a player gets is decided by the reference reader, examples/players.
"""

import asyncio
import hashlib
import json
import random
import sys
import threading
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import quote

READER = Path(__file__).parents[2] / "examples" / "players" / "player_version.py"
PATIENCE_SECONDS = 60  # for an answer
MAX_STARTS_SECONDS = 2  # over which players begin

Files = dict[str, str]  # SHA-256 by path


def _reference_reader():
    spec = spec_from_file_location("player_version", READER)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reader = _reference_reader()


class RefusedError(Exception):
    """What came is not what it should be; the player keeps what it has."""


class Connection:
    """One connection to the CDN, opened again when it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams = None
        self.requests = 0

    async def get(self, path: str, etag: str | None = None) -> tuple[int, dict, bytes]:
        """Return status, headers by their names in lower case, and body.

        Raises OSError, or EOFError where the answer was cut off.
        """
        head = f"GET {path} HTTP/1.1\r\nHost: games\r\n"
        if etag:
            head += f"If-None-Match: {etag}\r\n"
        self.requests += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._address)
                source, target = self._streams
                target.write(f"{head}\r\n".encode())
                return await _answer(source)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _answer(source: asyncio.StreamReader) -> tuple[int, dict, bytes]:
    head = (await source.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = int(first.split()[1])
    if status == 304:
        return status, headers, b""
    body = await source.readexactly(int(headers["content-length"]))
    return status, headers, body


class Game:
    """What all players of this process know: where they play, and what they read.

    Manifests are parsed once: the same bytes say the same to each player.
    """

    def __init__(self, platform: str, careless: bool, boot: str, broken: str) -> None:
        self.root = f"/{platform}"
        self.careless = careless
        self.boot, self.broken = boot, broken.encode()
        self._manifests: dict[str, list[dict]] = {}

    def entries(self, content: bytes, version: str, digest: str) -> list[dict]:
        """Return a manifest's entries. Raises RefusedError unless it is the one that
        the pointer names."""
        before = content.rstrip(b"\n").rfind(b"\n") + 1
        found = hashlib.sha256(content[:before]).hexdigest()
        if not self.careless and found != digest:
            raise RefusedError("the manifest is not the one that the pointer names")
        if found not in self._manifests:
            lines = content.decode().splitlines()
            header, *entries, end = map(json.loads, lines)
            if end != {"end": len(entries), "sha256": found}:
                raise RefusedError("the manifest is cut off")
            if not self.careless and header["version"] != version:
                raise RefusedError(f"the manifest is that of {header['version']}")
            self._manifests[found] = entries
        return self._manifests[found]


class Player:
    """One player: what it has on its disk, and which version that is."""

    def __init__(self, name: str, channel: str, game: Game, connection: Connection):
        self.name, self.game, self.connection = name, game, connection
        pointer = "current.json" if channel == "live" else f"channels/{channel}.json"
        self.pointer = f"{game.root}/{pointer}"
        self.version: str | None = None
        self.disk: Files = {}
        self._is_broken = False
        self._got: dict[str, str] = {}  # path to SHA-256 of what was got and not used
        self._etag: str | None = None
        self._content = b""
        self._serial = 0
        self._digest: str | None = None

    async def play(self, interval: float) -> None:
        """Poll until the process ends."""
        await asyncio.sleep(random.uniform(0, MAX_STARTS_SECONDS))
        while True:
            await self.look()
            await asyncio.sleep(interval * random.uniform(0.5, 1.5))

    async def look(self) -> None:
        """Poll the pointer once, and install what it says."""
        asked = time.monotonic()
        refusal = None
        found = ("", "")
        try:
            await self._poll()
        except (OSError, EOFError) as error:
            write("poll", self.name, asked, time.monotonic(), None, repr(error), None)
            return
        answered = time.monotonic()
        last = 0 if self.game.careless else self._serial
        try:
            found = reader.version_for(self._content, self.name, last)
        except reader.PointerError as error:
            refusal = str(error)
        write("poll", self.name, asked, answered, self._shown_serial, refusal,
              self.version)  # fmt: skip
        if refusal:
            self._etag = None  # what was refused is no content to compare with
            return
        version, digest = found[:2]
        self._serial = self._shown_serial
        if (version, digest) != (self.version, self._digest):
            try:
                await self._install(version, digest, asked, answered)
            except (OSError, EOFError, RefusedError, ValueError, KeyError) as error:
                write("refused", self.name, time.monotonic(), version, str(error))

    async def _poll(self) -> None:
        status, headers, body = await self.connection.get(self.pointer, self._etag)
        if status == 200:
            self._content, self._etag = body, headers.get("etag")
        elif status != 304:
            raise OSError(f"the pointer is answered by {status}")

    @property
    def _shown_serial(self) -> int | None:
        try:
            return json.loads(self._content).get("serial", 0)
        except ValueError:
            return None

    async def _install(
        self, version: str, digest: str, asked: float, answered: float
    ) -> None:
        """Get what differs, verify it, and then switch to it in one step."""
        requests = self.connection.requests
        content = await self._file(f"versions/{version}/manifest.jsonl")
        entries = self.game.entries(content, version, digest)
        received, files = len(content), 0
        there = set(self.disk.values())
        disk: Files = {}
        for entry in entries:
            path, wanted = entry["path"], entry["sha256"]
            if self.disk.get(path) == wanted or self._got.get(path) == wanted:
                disk[path] = wanted
            elif wanted in there and path != self.game.boot:
                disk[path] = wanted  # moved or doubled: copied on the disk itself
            else:
                data = await self._entry(entry, version)
                disk[path] = self._got[path] = self._verified(entry, data)
                received, files = received + len(data), files + 1
                if path == self.game.boot:
                    self._is_broken = data.startswith(self.game.broken)
        self.version, self._digest, self.disk, self._got = version, digest, disk, {}
        write(
            "switch", self.name, asked, answered, self._serial, version,
            state_of(disk), time.monotonic(), received, files,
            self.connection.requests - requests, self._is_broken,
        )  # fmt: skip

    async def _entry(self, entry: dict, version: str) -> bytes:
        holder, place = entry.get("in", version), entry.get("at", entry["path"])
        return await self._file(f"versions/{holder}/{place}")

    async def _file(self, path: str) -> bytes:
        status, _, body = await self.connection.get(f"{self.game.root}/{quote(path)}")
        if status != 200:
            raise OSError(f"{path} is answered by {status}")
        return body

    def _verified(self, entry: dict, data: bytes) -> str:
        found = hashlib.sha256(data).hexdigest()
        if not self.game.careless:
            if len(data) != entry["size"]:
                raise RefusedError(f"a file has {len(data)} instead of its bytes")
            if found != entry["sha256"]:
                raise RefusedError("a file is not what the manifest says")
        return found


def state_of(files: Files) -> str:
    """Return one digest for paths and the digests of their content."""
    lines = (f"{path}\0{files[path]}\n" for path in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write(*record: object) -> None:
    """Write what happened as a line."""
    sys.stdout.write(json.dumps(record) + "\n")


async def main(configuration: dict) -> None:
    """Play until the input ends; what happened is written ten times a second."""
    game = Game(
        configuration["platform"], configuration["careless"],
        configuration["boot"], configuration["broken"],
    )  # fmt: skip
    tasks = []
    for name, channel, installed in configuration["players"]:
        connection = Connection("127.0.0.1", configuration["port"])
        player = Player(name, channel, game, connection)
        if installed:
            player.version, player.disk = installed, dict(configuration["installed"])
            player._digest = configuration["digest"]
        tasks.append(asyncio.create_task(player.play(configuration["interval"])))
    loop = asyncio.get_running_loop()
    end = loop.create_future()

    def read() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(end.set_result, None)

    # A daemon, so that a player that fails ends the process.
    threading.Thread(target=read, daemon=True).start()
    while not end.done():
        await asyncio.wait([end, *tasks], timeout=0.1, return_when="FIRST_COMPLETED")
        for task in tasks:
            if task.done():
                task.result()  # a player never ends by itself
        sys.stdout.flush()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
