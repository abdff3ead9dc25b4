"""A small game's releases on disk, and the engine started as a program."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources.directory_store import DirectoryStore
from resources.manifest import Entry, Header, manifest_lines
from resources.published import open_published

PROJECT = Path(__file__).parents[2]

OLD_FILES = {"a.json": b"{}", "img/b.png": b"picture", "img/c.png": b"other picture"}
NEW_FILES = {**OLD_FILES, "a.json": b'{"new": 1}', "snd/d.mp3": b"sound"}


class Game:
    """A source and a store under one folder, and the engine's commands on them."""

    has_guard = False

    def __init__(self, root):
        self.source = root / "source"
        self.store = root / "store"
        self.environment = {
            "PATH": os.environ["PATH"],
            "RESOURCE_SOURCE": str(self.source),
            "RESOURCE_STORE": str(self.store),
        }

    def build(self, version, files, platform="ios"):
        """Write a release with its manifest, and give its folder."""
        folder = self.source / platform / version
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        entries = [entry_of(path, content) for path, content in in_order(files)]
        self.write_manifest(version, manifest_of(entries, version, platform), platform)
        return folder

    def write_manifest(self, version, content, platform="ios"):
        folder = self.source / platform / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.jsonl").write_bytes(content)

    def command(self, *arguments):
        """Give the command line. A game of three files has no change that the guard
        would let pass, so it is off where a test doesn't ask for it."""
        guard = ()
        if arguments[:1] in (("sync",), ("publish",)) and not self.has_guard:
            guard = ("--guard", "100")
        return [sys.executable, "-m", "resources", *arguments, *guard]

    def run(self, *arguments, **environment):
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments):
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def lines(self, *arguments):
        """Run a command that must succeed, and give its lines."""
        result = self.run(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.splitlines()

    def open_store(self, platform="ios"):
        return DirectoryStore(self.store / platform)

    def served(self, platform="ios"):
        """Give path and content of all that the pointer serves, or None."""
        store = self.open_store(platform)
        pointer = store.pointer()
        if pointer is None:
            return None
        release = open_published(store, platform, pointer.version)
        content = {}
        for entry in release.manifest.entries():
            with release.open(entry) as stream:
                content[entry.path] = stream.read()
        return pointer.version, content


def in_order(files):
    return sorted(files.items(), key=lambda item: item[0].encode())


def entry_of(path, content):
    return Entry(path, len(content), hashlib.sha256(content).hexdigest())


def manifest_of(entries, version="v1", platform="ios"):
    total_bytes = sum(entry.size for entry in entries)
    header = Header(platform, version, len(entries), total_bytes)
    return b"".join(manifest_lines(header, entries))


@pytest.fixture
def game(tmp_path):
    return Game(tmp_path)


@pytest.fixture
def published_game(game):
    """A game that serves v884 and has v885 built: one changed, one new file."""
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW_FILES)
    return game
