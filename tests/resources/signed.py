"""A small game whose pointers are signed, and what somebody with the store's keys does
to them."""

import json

import pytest

from resources.errors import DifferenceError
from resources.releases.proof import prove_pointer, proven_releases
from resources.signing.keys import make_key, read_private_key
from resources.signing.signatures import sign
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game
from tests.resources.stores.test_wrong_clocks import CLOCK

IOS = ("--platform", "ios")
DAY = 24 * 3600


def make_signed_releases(root):
    """Fill a folder: two keys, v884 served and signed with the first, v885 stored."""
    for name in ("key", "other"):
        make_key(root / name)
    game = signed_game(root)
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", *IOS)
    game.build("v885", NEW_FILES)
    game.lines("sync", "v885", *IOS, "--no-pointer")


def signed_game(root):
    game = Game(root)
    game.root = root
    game.environment["RESOURCE_SIGNING_KEY"] = str(root / "key")
    return game


def key_of(game, name="key"):
    return read_private_key(str(game.root / name))


def trust(game, name="key"):
    return ("--trust", str(game.root / f"{name}.pub"))


def current(game):
    return game.store / "ios/current.json"


def values_of(game):
    return json.loads(current(game).read_bytes())


def put(game, values, key=None):
    """Put a pointer into the store, as somebody with the store's keys can."""
    if key is not None:
        values = {**values, "signature": sign(values, key)}
    current(game).write_text(json.dumps(values))


def prove_by(game, name="key", **asked):
    """Prove what is served, as verify does before it reads files."""
    store = game.open_store()
    proven = prove_pointer("ios", store, [key_of(game, name).public], **asked)
    list(proven_releases(proven.pointer, "ios", store))
    return proven


def doubt(game, name="key", **asked):
    with pytest.raises(DifferenceError) as caught:
        prove_by(game, name, **asked)
    assert caught.value.exit_code == 1
    return str(caught.value)


def refusal(game, *arguments, **environment):
    """Run a command that has to be refused, and say why; the store stays as it is."""
    before = contents(game)
    result = game.run(*arguments, *IOS, **environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert contents(game) == before
    return result.stderr


def contents(game):
    files = game.store.rglob("*")
    return {path: path.read_bytes() for path in files if path.is_file()}


def off_by(game, seconds):
    """Give the environment of a machine whose clock is wrong."""
    (game.root / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": str(game.root), "CLOCK_OFF": str(seconds)}
