"""What becomes of a version between the look at its files and the pointer's move."""

import pytest

from resources.errors import ConflictError
from resources.releases.pointers.promote import promote
from resources.releases.pointers.publish import Checks, publish
from resources.releases.pointers.rollback import roll_back
from resources.releases.published import open_all
from resources.releases.safeguards.acceptance import Rules
from resources.releases.safeguards.budget import Budget
from resources.report import Report
from tests.resources.conftest import (
    NEW_FILES,
    OLD_FILES,
    entry_of,
    in_order,
    manifest_of,
)

IOS = ("--platform", "ios")
CHECKS = Checks(100, Budget(), Rules(allow_older=True))


class Meddler(Report):
    """Somebody who does something to the store once the files were looked for."""

    def __init__(self, meddle):
        super().__init__(progress=False, outputs=False, lines=False)
        self._meddle = meddle

    def advance(self, units):
        self._meddle()


@pytest.fixture
def released(published_game):
    """A game that serves v884 to all, served v885 before, and has it on beta."""
    published_game.lines("sync", "v885", *IOS)
    published_game.lines("promote", "--from", "live", "--to", "beta", *IOS)
    published_game.lines("rollback", "v884", *IOS)
    return published_game


def moved_to_v885(game, report):
    store = game.open_store()
    promote(None, {"ios": store.on("beta")}, {"ios": store}, report, CHECKS)


def published_again(game, report):
    stores = {"ios": game.open_store()}
    publish(open_all("v885", stores), stores, report, CHECKS)


def rolled_back(game, report):
    game.lines("publish", "v885", *IOS)
    roll_back("v884", {"ios": game.open_store()}, report)


@pytest.mark.parametrize(
    ("move", "version", "files"),
    [
        (moved_to_v885, "v885", NEW_FILES),
        (published_again, "v885", NEW_FILES),
        (rolled_back, "v884", OLD_FILES),
    ],
)
@pytest.mark.parametrize("is_removed", [True, False])
def test_no_pointer_moves_to_a_manifest_that_was_not_looked_at(
    released, move, version, files, is_removed
):
    manifest = released.store / "ios" / "versions" / version / "manifest.jsonl"
    served = []

    def meddle():
        served[:] = [released.open_store().pointer()]
        manifest.unlink(missing_ok=True)
        if (
            not is_removed
        ):  # as whole as the one before, and with a file that isn't there
            more = {**files, "z": b"more"}
            entries = [entry_of(*item) for item in in_order(more)]
            manifest.write_bytes(manifest_of(entries, version))

    with pytest.raises(ConflictError) as caught:
        move(released, Meddler(meddle))
    what = "removed" if is_removed else "exchanged"
    assert f"the manifest of {version} of ios in" in str(caught.value)
    assert str(caught.value).endswith(f"was {what} meanwhile")
    assert [released.open_store().pointer()] == served


def test_a_manifest_that_is_written_again_with_the_same_bytes_is_the_same(released):
    manifest = released.store / "ios" / "versions" / "v885" / "manifest.jsonl"

    def meddle():
        content = manifest.read_bytes()
        manifest.unlink()
        manifest.write_bytes(content)

    moved_to_v885(released, Meddler(meddle))
    assert released.served()[0] == "v885"
