"""The reference readers of a pointer: each says the same to the same vectors."""

import importlib.util
import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resources.signing.keys import PrivateKey, PublicKey
from resources.signing.signatures import UntrustedError, prove, sign
from resources.stores.pointer import Pointer, Rollout, Signature

TESTS = Path(__file__).parents[1]
PLAYERS = TESTS.parent / "examples/players"
VECTORS = PLAYERS / "pointer-vectors.json"
# What a vector says where the signature itself is not to be believed.
DOUBTS = {"not signed", "foreign key", "after it was signed", "damaged", "number"}
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
            assert vector["error"] in found.get("error", ""), (vector["name"], found)
            continue
        version = vector["version"]
        assert found.pop("serial") == json.loads(vector["pointer"]).get("serial", 0)
        if "files" in vector:
            paths = [each["path"] for each in found.pop("files")]
            assert paths == vector["files"], vector["name"]
        digest = vector.get("sha256", {"v885": "a", "v886": "b"}[version] * 64)
        assert found == {"version": version, "sha256": digest}, vector


def said_by_node(reader, vectors=VECTORS):
    if not shutil.which("node"):
        pytest.skip("there is no node")
    command = ["node", TESTS / "examples/players.mjs", reader, vectors]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_one_in_python_says_what_the_vectors_say(python_reader):
    said = []
    for vector in vectors():
        asked = ("now", "trusted", "platform", "channel")
        try:
            found = python_reader.version_for(
                vector["pointer"],
                vector["player"],
                vector.get("lastSerial", 0),
                **{name: vector.get(name) for name in asked},
            )._asdict()
            if "manifest" in vector:
                content = vector["manifest"].encode()
                found["files"] = python_reader.files_of(content, found["sha256"])
            said.append(found)
        except python_reader.PointerError as error:
            said.append({"error": str(error)})
    judge(said)


def test_the_one_for_browsers_says_what_the_vectors_say():
    judge(said_by_node(PLAYERS / "player-version.mjs"))


def compiled_for_cocos(folder):
    if not TYPESCRIPT.exists():
        pytest.skip("typescript is not installed: npm ci --prefix tests")
    # As strict as Cocos Creator 3 can be told to be.
    options = ["--strict", "--noUnusedLocals"]
    options += ["--target", "es2017", "--module", "es2020"]
    source = PLAYERS / "PlayerVersion.ts"
    command = [TYPESCRIPT, *options, "--outDir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return (folder / "PlayerVersion.js").rename(folder / "PlayerVersion.mjs")


def test_the_one_for_cocos_says_what_the_vectors_say(tmp_path):
    judge(said_by_node(compiled_for_cocos(tmp_path)))


def test_the_engine_believes_the_signatures_that_they_believe():
    judged = 0
    for vector in vectors():
        if "trusted" not in vector:
            continue
        keys = [PublicKey(bytes.fromhex(key)) for key in vector["trusted"]]
        is_doubted = vector.get("error") in DOUBTS
        judged += 1
        try:
            prove(json.loads(vector["pointer"]), keys)
        except UntrustedError:
            assert is_doubted, vector["name"]
        else:
            assert not is_doubted, vector["name"]
    assert judged > 30


def test_the_one_for_cocos_needs_somebody_to_verify(tmp_path):
    compiled = compiled_for_cocos(tmp_path)
    script = (
        f"const {{ versionFor }} = await import({json.dumps(compiled.as_uri())});"
        'versionFor(\'{"format": "release-pointer/2"}\', "p", {trusted: ["aa"]});'
    )
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "trusted needs verify as well" in done.stderr


@pytest.mark.parametrize("reader", ["python", "browsers"])
def test_a_pointer_and_a_manifest_of_the_engine_s_are_proven(
    reader, python_reader, tmp_path
):
    signer = PrivateKey(Ed25519PrivateKey.generate())
    rollout = Rollout("v886", "b" * 64, 50, "5a", "2026-11-29T11:00:00.000Z")
    pointer = Pointer("v885", "a" * 64, platform="ios", serial=3, rollout=rollout)
    signature = Signature(**sign(pointer.values(), signer))
    content = pointer._replace(signature=signature).encode().decode()
    trusted = [signer.public.raw.hex()]
    if reader == "python":
        found = python_reader.version_for(content, "p", trusted=trusted)
        assert found.version == "v885"
        return
    vector = {"pointer": content, "player": "p", "trusted": trusted}
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps([vector]))
    (found,) = said_by_node(PLAYERS / "player-version.mjs", path)
    assert found["version"] == "v885"


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
