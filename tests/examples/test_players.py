"""The reference readers of a pointer: each says the same to the same vectors."""

import importlib.util
import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from resources.stores.pointer import Pointer, Rollout

TESTS = Path(__file__).parents[1]
PLAYERS = TESTS.parent / "examples/players"
VECTORS = PLAYERS / "pointer-vectors.json"
TYPESCRIPT = TESTS / "node_modules/.bin/tsc"


def vectors():
    return json.loads(VECTORS.read_text("utf-8"))


@pytest.fixture(scope="module")
def python_reader():
    path = PLAYERS / "player_version.py"
    spec = importlib.util.spec_from_file_location("player_version", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(said):
    """Compare what a reader says to each vector with what it has to say."""
    assert len(said) == len(vectors())
    for vector, found in zip(vectors(), said, strict=True):
        if "error" in vector:
            assert vector["error"] in found["error"], vector["name"]
        else:
            digest = {"v885": "a", "v886": "b"}[vector["version"]] * 64
            assert found == {"version": vector["version"], "sha256": digest}, vector


def said_by_node(reader):
    if not shutil.which("node"):
        pytest.skip("there is no node")
    command = ["node", TESTS / "examples/players.mjs", reader, VECTORS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_one_in_python_says_what_the_vectors_say(python_reader):
    said = []
    for vector in vectors():
        given = (vector["pointer"], vector["player"], vector.get("lastSerial", 0))
        try:
            version, sha256 = python_reader.version_for(*given, vector.get("now"))
            said.append({"version": version, "sha256": sha256})
        except python_reader.PointerError as error:
            said.append({"error": str(error)})
    judge(said)


def test_the_one_for_browsers_says_what_the_vectors_say():
    judge(said_by_node(PLAYERS / "player-version.mjs"))


def test_the_one_for_cocos_says_what_the_vectors_say(tmp_path):
    if not TYPESCRIPT.exists():
        pytest.skip("typescript is not installed: npm ci --prefix tests")
    # As strict as Cocos Creator 3 can be told to be.
    options = ["--strict", "--noUnusedLocals"]
    options += ["--target", "es2017", "--module", "es2020"]
    source = PLAYERS / "PlayerVersion.ts"
    command = [TYPESCRIPT, *options, "--outDir", tmp_path, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    compiled = (tmp_path / "PlayerVersion.js").rename(tmp_path / "PlayerVersion.mjs")
    judge(said_by_node(compiled))


def test_what_the_engine_writes_is_what_they_read(python_reader):
    rollout = Rollout("v886", "b" * 64, 2550, "5a", "2026-11-29T11:00:00.000Z")
    pointer = Pointer("v885", "a" * 64, serial=3, rollout=rollout)
    players = [f"player-{n}" for n in range(4000)]
    got = Counter(
        python_reader.version_for(pointer.encode(), player)[0] for player in players
    )
    # 25.5 % of 4,000 are 1,020; the hash is fixed, so this is no game of chance.
    assert got["v886"] == pytest.approx(1020, rel=0.1)


def test_whoever_is_in_a_rollout_stays_in_it(python_reader):
    dice = random.Random(885)
    players = [f"{dice.getrandbits(64):x}" for _ in range(500)]
    inside = set()
    for percent in (0.01, 1, 5, 25, 50, 99.99):
        rollout = {"salt": "5a1c", "percent": percent}
        now = {player for player in players if python_reader.is_in(rollout, player)}
        assert inside <= now
        inside = now
