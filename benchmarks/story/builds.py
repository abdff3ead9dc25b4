"""Builds of a game: made ones, and real ones by the manifests that a game published."""

import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLATFORM = "ios"
BOOT_FILE = "assets/main/index.js"  # what a player starts first
BROKEN = b"throw"  # what it begins with in a version that doesn't start

CHANGED, MOVED, ADDED, REMOVED = 0.02, 0.005, 0.003, 0.002  # shares of the files
MAX_REAL_BYTES = 4_000_000  # of a real game's version, once it is scaled down
LEAST_BYTES = 24  # of a file of a real game: a digest is told apart in it


@dataclass(frozen=True)
class Build:
    """A version as it was built: its files with their SHA-256, by path."""

    version: str
    folder: Path
    files: dict[str, str]

    @property
    def state(self) -> str:
        """Return the digest of a player's disk that has this version and no more."""
        return state_of(self.files)


def state_of(files: dict[str, str]) -> str:
    """Return one digest for paths and the digests of their content."""
    lines = (f"{path}\0{files[path]}\n" for path in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def made_builds(source: Path, versions: dict[str, bool], files: int) -> list[Build]:
    """Write versions of a game that was made up, each after the one before it.

    ``versions`` says of each name whether the game starts in it. From one to the next
    3 % of the files differ: most are changed, some moved, added or removed; one in 50
    has the content of another.
    """
    dice = random.Random(18)  # the same game each time
    content = {
        f"assets/{number % 16:x}/{number:05}.{'json' if number % 3 else 'png'}": b"%d"
        % (number - number % 50 if number % 50 == 1 else number)
        for number in range(files - 1)
    }
    builds = []
    for number, (version, starts) in enumerate(versions.items()):
        if number:
            _change(content, number, dice)
        boot = b"start" if starts else BROKEN
        content[BOOT_FILE] = b"%b('%b');" % (boot, version.encode())
        builds.append(_write_made(source / PLATFORM / version, content))
    return builds


def real_builds(source: Path, game: Path, limit: int | None = None) -> list[Build]:
    """Write the newest ``limit`` versions of a game by its project.manifest files,
    ``GAME/VERSION/project.manifest``; oldest first.

    Names, and which files are the same, are the game's; the bytes are made, the same
    for the same digest, and fewer where they are many. Files have their new MD5 in a
    manifest that is otherwise the same.
    """
    manifests = sorted(
        game.glob("*/project.manifest"), key=lambda path: _numbers(path.parent.name)
    )
    blobs = source / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    builds = []
    for path in manifests[-limit:] if limit else manifests:
        folder = source / PLATFORM / path.parent.name
        builds.append(_write_real(folder, json.loads(path.read_bytes()), blobs))
    return builds


def _change(content: dict[str, bytes], number: int, dice: random.Random) -> None:
    paths = sorted(set(content) - {BOOT_FILE})
    dice.shuffle(paths)

    def some(share: float) -> list[str]:
        count = max(1, round(share * len(content)))
        return [paths.pop() for _ in range(count)]

    for path in some(CHANGED):
        content[path] += b",%d" % number
    for path in some(MOVED):
        content[f"assets/moved/{number}-{path.rpartition('/')[2]}"] = content.pop(path)
    for path in some(REMOVED):
        del content[path]
    for index in range(max(1, round(ADDED * len(content)))):
        content[f"assets/new/{number}-{index}.json"] = b"%d new %d" % (number, index)


def _write_made(folder: Path, content: dict[str, bytes]) -> Build:
    files = {}
    for path, seed in content.items():
        data = seed if path == BOOT_FILE else _bytes(seed)
        files[path] = _write(folder / path, data)
    subprocess.run(
        [sys.executable, "-m", "resources", "manifest", folder],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return Build(folder.name, folder, files)


def _bytes(seed: bytes) -> bytes:
    """Return a file's content: 512 B to 8 KB that are the same for the same seed."""
    dice = random.Random(seed)
    return dice.randbytes(dice.randint(512, 8192))


def _write_real(folder: Path, values: dict, blobs: Path) -> Build:
    assets = values["assets"]
    total = sum(asset.get("size", 0) for asset in assets.values())
    scale = min(1.0, MAX_REAL_BYTES / max(1, total))
    files = {}
    for key, asset in assets.items():
        if key in ("project.manifest", "version.manifest"):
            continue
        size = max(LEAST_BYTES, round(asset.get("size", 1000) * scale))
        blob, md5, sha256 = _blob(blobs, f"{asset['md5']}-{size}")
        path = asset.get("path", key)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(blob, target)
        files[path] = sha256
        asset |= {"md5": md5, "size": size}
    for name in ("project.manifest", "version.manifest"):
        shown = values if name == "project.manifest" else _without_assets(values)
        files[name] = _write(folder / name, json.dumps(shown).encode())
    return Build(folder.name, folder, files)


def _without_assets(values: dict) -> dict:
    return {name: value for name, value in values.items() if name != "assets"}


def _blob(blobs: Path, name: str) -> tuple[Path, str, str]:
    path = blobs / name
    if not path.exists():
        size = int(name.rpartition("-")[2])
        path.write_bytes(random.Random(name).randbytes(size))
    data = path.read_bytes()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return path, md5, hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
