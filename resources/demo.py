"""Make demo releases of a game, so that every command does real work at once.

The content is made from names by a hash function: the same on every machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from resources.errors import InputError, store_failure
from resources.manifests.format import Entry, Header, manifest_lines
from resources.manifests.paths import MANIFEST_NAME
from resources.platforms import all_platforms
from resources.releases.plan import make_plan
from resources.releases.source import open_release
from resources.releases.sync_platforms import PlatformSync, sync_platforms
from resources.report import Report, size_text
from resources.settings import Settings

OLD, NEW = "v884", "v885"
FILES = {"ios": 1245, "android": 1387, "facebook": 960}  # in the new version
CHANGED = 8  # files of the new version with other content than in the old
ADDED = 4  # files of the new version that the old doesn't have

BUNDLES = ("main", "resources", "lobby", "slots", "shop", "events", "internal")
TEXTURES = {"ios": "pvr", "android": "pkm", "facebook": "webp"}


class _File(NamedTuple):
    path: str
    size: int
    content: str  # what the bytes are made from


def make_demo(settings: Settings, report: Report) -> None:
    """Make v884 and v885 of every platform in the source, and publish v884.

    Each version gets its name only when it is complete, so that an interrupted run
    leaves no half; what is there already is left as it is. Raises EngineError.
    """
    if not _platforms():
        raise InputError(
            f"the demo has releases of {', '.join(FILES)}, and RESOURCE_PLATFORMS none"
            " of them"
        )
    if _is_complete(settings):
        report.line(f"The demo releases are already there, in {settings.source}.")
        return
    try:
        settings.source.mkdir(parents=True, exist_ok=True)
        with (settings.source / ".demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_sources(settings.source, report)
            is_published = _publish_old(settings, report)
    except OSError as error:
        raise store_failure(error, f"write to {settings.source}") from None
    if is_published:
        report.line(f"Published {OLD}. Try: python -m resources sync {NEW}")


def _platforms() -> list[str]:
    return [name for name in all_platforms() if name in FILES]


def _publish_old(settings: Settings, report: Report) -> bool:
    """Publish on each platform that serves nothing; say whether all serve it now."""
    is_published = True
    quiet = Report(progress=False, outputs=False, lines=False)
    for platform in _platforms():
        store = settings.open_store(platform, durable=False)
        served = store.pointer()
        if served is not None and served.version != OLD:
            is_published = False
            report.line(
                f"{all_platforms()[platform]} serves {served.version}: {OLD} was not"
                " published there."
            )
        if served is None:
            release = open_release(settings.source, platform, OLD)
            plan = make_plan(release.manifest, store)
            sync_platforms([PlatformSync(plan, release, store)], quiet)
    return is_published


def _is_complete(settings: Settings) -> bool:
    return all(
        (settings.source / platform / version / MANIFEST_NAME).is_file()
        for platform in _platforms()
        for version in (OLD, NEW)
    ) and all(
        settings.open_store(platform).pointer() is not None for platform in _platforms()
    )


def _make_sources(source: Path, report: Report) -> None:
    unfinished = source / ".demo"
    shutil.rmtree(unfinished, ignore_errors=True)
    for platform in _platforms():
        for version in (OLD, NEW):
            folder = source / platform / version
            if folder.exists():
                continue
            header = _make_release(unfinished, platform, version)
            folder.parent.mkdir(exist_ok=True)
            unfinished.rename(folder)
            report.line(
                f"Made {version} of {all_platforms()[platform]}:"
                f" {header.files} files, {size_text(header.total_bytes)}."
            )


def _make_release(folder: Path, platform: str, version: str) -> Header:
    entries = []
    made: set[str] = set()
    for file in sorted(_files(platform, version), key=lambda file: file.path):
        content = _content(file)
        parent, _, _ = file.path.rpartition("/")
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        (folder / file.path).write_bytes(content)
        digest = hashlib.sha256(content, usedforsecurity=False).hexdigest()
        entries.append(Entry(file.path, len(content), digest))
    total_bytes = sum(entry.size for entry in entries)
    header = Header(platform, version, len(entries), total_bytes)
    with (folder / MANIFEST_NAME).open("wb") as stream:
        stream.writelines(manifest_lines(header, entries))
    return header


def _files(platform: str, version: str) -> Iterator[_File]:
    """Yield the files of a version; the first of each platform's are the scripts."""
    count = FILES[platform] if version == NEW else FILES[platform] - ADDED
    step = (FILES[platform] - ADDED) // CHANGED
    for number in range(count):
        seed = f"{platform}/{number}"
        path, size = _shape(platform, number, hashlib.sha256(seed.encode()).digest())
        changed = version == NEW and number % step == 0 and number // step < CHANGED
        yield _File(path, size, f"{seed}/{2 if changed else 1}")


def _shape(platform: str, number: int, seed: bytes) -> tuple[str, int]:
    """Return a file's path and its size in bytes, as a game's build has them."""
    if number < 2 * len(BUNDLES):
        bundle = BUNDLES[number // 2]
        name = ("index.js", "config.json")[number % 2]
        return f"assets/{bundle}/{name}", 24_000 + 300 * seed[8]
    bundle = BUNDLES[seed[0] % len(BUNDLES)]
    # Few first pairs of digits, because making a folder takes as long as a file.
    name = f"{seed[1] // 8 * 8:02x}{seed[2:7].hex()}"
    spread = int.from_bytes(seed[8:10], "big")  # 0 to 65,535
    place = f"{name[:2]}/{name}"
    kind = seed[7] % 100
    if kind < 22:
        return f"assets/{bundle}/import/{place}.json", 300 + spread // 20
    if kind < 30:
        return f"assets/{bundle}/native/{place}.mp3", 18_000 + spread
    if kind < 32:
        return f"assets/{bundle}/native/{place}.bin", 60_000 + 2 * spread
    if kind < 55:
        texture = TEXTURES[platform]
        return f"assets/{bundle}/native/{place}.{texture}", 4_000 + spread // 2
    return f"assets/{bundle}/native/{place}.png", 1_500 + spread // 4


def _content(file: _File) -> bytes:
    noise = hashlib.shake_128(file.content.encode())
    if not file.path.endswith((".json", ".js")):
        return noise.digest(file.size)
    text = json.dumps({"name": file.path, "data": noise.hexdigest(file.size // 2)})
    return text.encode() + b"\n"
