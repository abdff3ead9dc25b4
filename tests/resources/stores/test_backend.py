"""A new kind of store needs nine methods, and has every rule of releases with them."""

import contextlib
import io

import pytest

from resources.errors import ConflictError, DifferenceError, MissingFileError
from resources.releases.plan import make_plan
from resources.releases.pointers.rollback import roll_back
from resources.releases.prune import prune
from resources.releases.published import open_published
from resources.releases.source import open_release
from resources.releases.sync_platforms import PlatformSync, sync_platforms
from resources.report import Report
from resources.stores.backend import Backend, LostRaceError
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore
from resources.stores.verified import verified
from tests.resources.conftest import NEW_FILES, OLD_FILES, entry_of

QUIET = Report(progress=False, outputs=False, lines=False)


class Memory(Backend):
    """The smallest backend: a dictionary."""

    name = "memory"

    def __init__(self):
        self.objects, self.is_locked = {}, False

    def open(self, key):
        if key not in self.objects:
            raise MissingFileError
        return io.BytesIO(self.objects[key])

    def get(self, key, most_bytes=-1):
        found = self.objects.get(key)
        return None if found is None else (found, found)

    def listed(self, folder):
        start = f"{folder}/"
        for key in sorted(self.objects):
            if key.startswith(start):
                yield key.removeprefix(start), len(self.objects[key])

    def folders(self, folder):
        return list({path.split("/")[0] for path, _ in self.listed(folder)})

    def put(self, key, entry, source, *, is_served):
        self.objects[key] = b"".join(verified(source, entry))

    def put_document(self, key, chunks, *, changes=True):
        self.objects[key] = b"".join(chunks)

    def put_if(self, key, content, state):
        if self.objects.get(key) != state:
            raise LostRaceError
        self.objects[key] = content

    def delete(self, folder, paths):
        for path in paths:
            self.objects.pop(f"{folder}/{path}", None)

    @contextlib.contextmanager
    def lock(self):
        if self.is_locked:
            raise ConflictError("another publisher is writing")
        self.is_locked = True
        try:
            yield
        finally:
            self.is_locked = False


@pytest.fixture
def store():
    return ReleaseStore(Memory())


def sync(game, store, version):
    release = open_release(game.source, "ios", version)
    plan = make_plan(release.manifest, store)
    sync_platforms([PlatformSync(plan, release, store)], QUIET)


def served(store):
    version = store.pointer().version
    release = open_published(store, "ios", version)
    content = {}
    for entry in release.manifest.entries():
        with release.open(entry) as stream:
            content[entry.path] = stream.read()
    return version, content


def test_a_version_is_published_rolled_back_and_pruned(game, store):
    builds = {"v883": {"gone": b"x"}, "v884": OLD_FILES, "v885": NEW_FILES}
    for version, files in builds.items():
        game.build(version, files)
        sync(game, store, version)
        assert served(store) == (version, files)
    roll_back("v884", {"ios": store}, QUIET)
    assert served(store) == ("v884", OLD_FILES)
    prune({"ios": store}, QUIET, keep=1, force=True)
    assert store.sealed_versions() == ["v884", "v885"]
    assert list(store.objects("v883")) == []
    assert served(store) == ("v884", OLD_FILES)


def test_what_is_not_what_the_entry_says_is_not_stored(store):
    with store.lock(), pytest.raises(DifferenceError):
        store.put("v1", entry_of("a", b"right"), io.BytesIO(b"wrong"))
    assert list(store.objects("v1")) == []


def test_an_object_is_copied_and_its_size_known(store):
    entry = entry_of("a", b"x")
    with store.lock():
        store.put_small([("v1", entry, memoryview(b"x"))])
        assert store.copy([entry._replace(held_in="v1")], "v2") == 1
    assert store.sizes("v2", ["a", "b"]) == [1, None]
    assert store.is_intact("v2", entry)
    with pytest.raises(MissingFileError):
        store.size("v2", "b")


def test_of_two_publishers_the_second_gets_a_conflict(store):
    with store.lock(), pytest.raises(ConflictError), store.lock():
        pass
    with store.lock():
        store.move_pointer(Pointer("v1", "0" * 64), None)
        with pytest.raises(ConflictError, match="serves v1 now, not nothing"):
            store.move_pointer(Pointer("v2", "0" * 64), None)
