"""A small game's releases on disk, and the engine started as a program."""

import contextlib
import errno
import hashlib
import io
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

from resources.errors import ManifestError
from resources.files.rooted import Tree
from resources.manifests.format import Entry, Header, manifest_lines
from resources.manifests.paths import reason_against
from resources.releases.published import open_published
from resources.settings import read_settings
from resources.stores.bucket.location import read_location
from resources.stores.bucket.objects import Bucket
from resources.stores.directory import Directory
from resources.stores.pointer import LIVE
from resources.stores.release_store import ReleaseStore
from resources.workers import pool
from tests.left_out import administrators_program, reason_against_disk
from tests.ports import free_port
from tests.resources import azure, google, oss, s3
from tests.resources.faulty_proxy import FaultyProxy, forward_to

PROJECT = Path(__file__).parents[2]

BUCKET = "games"
GUARDED = {"sync", "publish", "promote", "rollout"}
OLD_FILES = {"a.json": b"{}", "img/b.png": b"picture", "img/c.png": b"other picture"}
NEW_FILES = {**OLD_FILES, "a.json": b'{"new": 1}', "snd/d.mp3": b"sound"}


def read_foreign(reader, content, folder):
    """Read another program's manifest of a folder."""
    tree = Tree(folder)
    try:
        return reader(io.BytesIO(content), "M", (), tree)
    finally:
        tree.close()


def refusal_of(reader, content, folder):
    """Read such a manifest, and give the message that refuses it."""
    with pytest.raises(ManifestError) as caught:
        read_foreign(reader, content, folder)
    return str(caught.value)


def assert_harmless(read, content, folder):
    """Refused, or without a path that leads out of the folder or stands there twice."""
    try:
        manifest = read(content, folder)
    except ManifestError:
        return
    paths = [entry.path for entry in manifest.entries()]
    assert [reason_against(path) for path in paths] == [None] * len(paths)
    assert paths == sorted(set(paths), key=str.encode)


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
        if {*arguments[:1]} & GUARDED and not self.has_guard:
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

    def open_store(self, platform="ios", channel=LIVE):
        return ReleaseStore(Directory(self.store / platform), channel)

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


@pytest.fixture
def no_links(monkeypatch):
    """Refuses every link, as Linux does where the file is another user's."""

    def refuse(path, name, *, src_dir_fd, dst_dir_fd, follow_symlinks):
        os.stat(path, dir_fd=src_dir_fd, follow_symlinks=follow_symlinks)
        is_taken = os.access(name, os.F_OK, dir_fd=dst_dir_fd)
        number = errno.EEXIST if is_taken else errno.EPERM
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)


@pytest.fixture(params=["xfs", "btrfs"])
def disk(request, tmp_path):
    """A disk of its own, in a file, whose file system knows clones."""
    if reason := reason_against_disk(request.param):
        pytest.skip(reason)
    image, folder = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as stream:
        stream.truncate(512 << 20)
    folder.mkdir()
    make = [administrators_program(f"mkfs.{request.param}"), "-q", image]
    subprocess.run(make, check=True)
    # The kernel gives the loop device back with the last that is open on the disk.
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class GameInBucket(Game):
    """A game whose store is a prefix in a bucket, behind a proxy that can do harm."""

    def __init__(self, root, proxy, kind, options=""):
        super().__init__(root)
        self.proxy = proxy
        self.options = options
        self.location = f"{kind.scheme}://{BUCKET}/{root.name}-{uuid.uuid4().hex[:8]}"
        self.environment |= kind.environment(proxy.url)
        self.environment["RESOURCE_STORE"] = self.location + options

    def open_store(self, platform="ios", channel=LIVE):
        settings = read_settings(self.environment, source=None, store=None)
        return settings.open_store(platform, channel)

    def bucket(self, platform="ios"):
        """Give the platform's part of the bucket, to look at it and to harm it."""
        location = read_location(self.location + self.options, self.environment)
        return Bucket(location.beneath(platform))


@pytest.fixture(scope="session")
def moto():
    """Moto's S3: honours conditions, doesn't look at digests."""
    port = free_port()
    with server(sys.executable, "-m", "moto.server", "-p", str(port), port=port):
        make_bucket = urllib.request.Request(
            f"http://127.0.0.1:{port}/{BUCKET}", method="PUT"
        )
        urllib.request.urlopen(make_bucket).close()
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def rclone(tmp_path_factory):
    """Rclone's S3: a folder of files, without conditions."""
    folder = tmp_path_factory.mktemp("rclone")
    (folder / BUCKET).mkdir()
    port = free_port()
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    command = (program, "serve", "s3", "--config", os.devnull)
    with server(*command, "--addr", f"127.0.0.1:{port}", folder, port=port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    """Microsoft's emulator of Azure: honours conditions, ETags are no digests."""
    if not azure.PROGRAM.exists():
        pytest.skip("azurite is not installed: npm ci --prefix tests")
    port = free_port()
    folder = tmp_path_factory.mktemp("azurite")
    with server(*azure.command(folder, port), port=port):
        azure.make_container(port, BUCKET)
        yield f"127.0.0.1:{port}"


@pytest.fixture(params=["directory", "moto", "rclone", "azurite", "google", "oss"])
def any_game(request, tmp_path):
    """A game on each kind of store."""
    if request.param == "directory":
        return Game(tmp_path)
    return request.getfixturevalue(f"game_on_{request.param}")


@pytest.fixture
def game_on_moto(moto, tmp_path, monkeypatch):
    yield from game_in_bucket(moto, tmp_path, monkeypatch, s3, "?retry=2")


@pytest.fixture
def game_on_rclone(rclone, tmp_path, monkeypatch):
    options = "?retry=2&conditions=off"
    yield from game_in_bucket(rclone, tmp_path, monkeypatch, s3, options)


@pytest.fixture
def game_on_azurite(azurite, tmp_path, monkeypatch):
    yield from game_in_bucket(azurite, tmp_path, monkeypatch, azure, "?retry=2")


@pytest.fixture
def game_on_google(moto, tmp_path, monkeypatch):
    """Moto's S3, told what was asked of Google; nothing else speaks its XML API."""
    forward = google.Google(moto).forward
    yield from game_behind(forward, tmp_path, monkeypatch, google, "?retry=2")


@pytest.fixture
def game_on_oss(moto, tmp_path, monkeypatch):
    """Moto's S3, refusing what Alibaba Cloud OSS refuses."""
    forward = oss.Oss(moto).forward
    options = "?retry=2&profile=oss"
    yield from game_behind(forward, tmp_path, monkeypatch, oss, options)


def game_in_bucket(upstream, root, monkeypatch, kind, options):
    forward = forward_to(upstream)
    yield from game_behind(forward, root, monkeypatch, kind, options)


def game_behind(forward, root, monkeypatch, kind, options):
    # What a test asks of a store in this process must not keep other tests from forks.
    monkeypatch.setattr(pool, "_may_fork", True)
    with FaultyProxy(forward) as proxy:
        game = GameInBucket(root, proxy, kind, options)
        for name, value in game.environment.items():
            monkeypatch.setenv(name, value)
        yield game


@contextlib.contextmanager
def server(*command, port):
    """Run a server for the tests, from when it answers."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 30
        while not answers(port):
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < end, f"{command} does not answer"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(port):
    address = ("127.0.0.1", port)
    with contextlib.suppress(OSError), socket.create_connection(address, 1):
        return True
    return False
