"""Releases whose pointers are signed: every move signs, nobody takes a signature away,
and what was changed behind the engine's back is refused."""

import json
import os
import shutil
import signal

import pytest

from resources.errors import DifferenceError
from resources.releases.proof import prove_pointer, proven_releases
from resources.signing.keys import make_key, read_private_key
from resources.signing.signatures import sign
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game, manifest_of
from tests.resources.releases.test_promises import disturbed
from tests.resources.stores.test_wrong_clocks import CLOCK

IOS = ("--platform", "ios")
DAY = 24 * 3600


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two keys, v884 served and signed with the first, v885 stored."""
    root = tmp_path_factory.mktemp("signed")
    for name in ("key", "other"):
        make_key(root / name)
    game = signed_game(root)
    game.build("v884", OLD_FILES)
    game.lines("sync", "v884", *IOS)
    game.build("v885", NEW_FILES)
    game.lines("sync", "v885", *IOS, "--no-pointer")
    return root


@pytest.fixture
def game(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return signed_game(tmp_path)


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


# --- Signing --------------------------------------------------------------------------


def test_every_move_signs(game):
    served = []
    for arguments in (
        ("publish", "v885"),
        ("rollback", "v884"),
        ("rollout", "v885", "--percent", "0.5"),
        ("rollout", "v885", "--percent", "25.5"),
        ("rollout", "v885", "--halt"),
        ("sync", "v885"),
    ):
        game.lines(*arguments, *IOS)
        served.append(prove_by(game).pointer.version)
    assert served == ["v885", "v884", "v884", "v884", "v884", "v885"]
    game.lines("sync", "v885", *IOS, "--channel", "beta")
    game.lines("promote", *IOS, "--from", "beta", "--to", "qa")
    store = game.open_store("ios", "qa")
    trusted = [key_of(game).public]
    assert prove_pointer("ios", store, trusted).pointer.channel == "qa"


def test_what_is_served_is_proven_to_the_last_byte(game):
    game.lines("rollout", "v885", *IOS, "--percent", "2.5")
    key_id = key_of(game).public.key_id
    result = game.run("verify", *IOS, *trust(game))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "iOS serves v884 and for 2.5 % v885 on live: serial 2, signed by"
        f" {key_id}, does not expire",
        "Checking iOS manifest...",
        "All files matched successfully.",
        "Total files checked: 3",
        "Checking iOS manifest...",
        "All files matched successfully.",
        "Total files checked: 4",
        "Verified iOS: v884 and v885 as signed.",
    ]
    picture = game.store / "ios/versions/v884/img/b.png"
    picture.write_bytes(b"malware")  # as long as what was there
    trusted = {"RESOURCE_TRUSTED_KEYS": str(game.root / "key.pub")}
    result = game.run("verify", "v885", *IOS, "--json", **trusted)
    assert result.returncode == 1
    assert "MISMATCH img/b.png" in result.stdout
    assert "as signed" not in result.stdout
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["counts"] == {"filesChecked": 7, "failed": 2}
    assert last["platforms"]["ios"]["signedBy"] == key_id


def test_a_machine_that_only_brings_in_needs_no_key(game):
    game.build("v886", {**NEW_FILES, "a.json": b"[]"})
    arguments = ("sync", "v886", *IOS, "--no-pointer")
    result = game.run(*arguments, RESOURCE_SIGNING_KEY="/nowhere")
    assert (result.returncode, result.stderr) == (0, "")
    assert prove_by(game).pointer.version == "v884"


@pytest.mark.parametrize("command", [("sync", "v885"), ("rollback", "v884"), ("demo",)])
def test_a_key_that_others_can_read_stops_everything_before_it_begins(game, command):
    (game.root / "key").chmod(0o644)
    before = contents(game)
    platform = () if command == ("demo",) else IOS
    result = game.run(*command, *platform)
    assert (result.returncode, result.stdout) == (2, "")
    assert "has mode 0644, so other accounts can use it" in result.stderr
    assert contents(game) == before


def test_a_pointer_that_has_no_canonical_form_is_not_written(game):
    says = refusal(game, "publish", "v885", TASK_ID=os.fsdecode(b"\xff"))
    assert "can't be signed: it has half a character" in says


def test_a_kill_while_a_signed_pointer_moves_leaves_one_that_is_proven(game):
    for code, _ in disturbed(game, "kill", "publish", "v885", *IOS):
        assert code in (-signal.SIGKILL, 0)
        assert prove_by(game).pointer.version in ("v884", "v885")
        game.lines("publish", "v885", *IOS)
        assert prove_by(game).pointer[7] == 2


# --- What is signed stays signed ------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [("sync", "v885"), ("publish", "v885"), ("rollback", "v884"), ("rollout", "v885")],
    ids=lambda command: command[0],
)
def test_without_the_key_a_signed_pointer_is_not_replaced(game, command):
    more = ("--percent", "5") if command[0] == "rollout" else ()
    says = refusal(game, *command, *more, RESOURCE_SIGNING_KEY="")
    key_id = key_of(game).public.key_id
    assert f"is signed by {key_id}, and RESOURCE_SIGNING_KEY is not set" in says
    assert "what is signed stays signed" in says


def test_without_the_key_a_rollout_is_not_halted_either(game):
    game.lines("rollout", "v885", *IOS, "--percent", "5")
    says = refusal(game, "rollout", "v885", "--halt", RESOURCE_SIGNING_KEY="")
    assert "what is signed stays signed" in says


def test_signing_can_be_given_up_and_begun_again_by_who_says_so(game):
    bare = {"RESOURCE_SIGNING_KEY": ""}
    result = game.run("publish", "v885", *IOS, "--allow-unsigned", **bare)
    assert result.stdout == "Published v885 (was v884).\n"
    assert "is not signed" in doubt(game)
    assert game.run("rollback", "v884", *IOS, **bare).returncode == 0
    # Now the one before isn't signed either.
    game.lines("publish", "v885", *IOS)
    assert prove_by(game).pointer.version == "v885"


def test_a_signature_that_somebody_took_away_is_missed(game):
    game.lines("publish", "v885", *IOS)
    put(game, {**values_of(game), "signature": None})
    says = refusal(game, "rollback", "v884")
    assert "is not signed, but the one before it was" in says
    game.lines("rollback", "v884", *IOS, "--allow-untrusted")
    assert prove_by(game).pointer.version == "v884"


# --- Other keys -----------------------------------------------------------------------


def test_another_key_takes_over_once_the_old_one_is_trusted(game):
    new = {"RESOURCE_SIGNING_KEY": str(game.root / "other")}
    says = refusal(game, "publish", "v885", **new)
    assert f"is signed by the key {key_of(game).public.key_id}, which is not" in says
    assert "RESOURCE_TRUSTED_KEYS" in says
    new["RESOURCE_TRUSTED_KEYS"] = key_of(game).public.raw.hex()
    # The same version again signs anew, and nothing else changes.
    before = values_of(game)
    result = game.run("publish", "v884", *IOS, **new)
    other_id = key_of(game, "other").public.key_id
    assert result.stdout == (
        f"Renewed the pointer of iOS: v884, without an end, signed by {other_id}.\n"
    )
    assert prove_by(game, "other").pointer.version == "v884"
    changed = {"serial", "signature"}
    assert {n for n, v in values_of(game).items() if v != before[n]} == changed


def test_a_pointer_of_a_foreign_key_s_is_refused_by_all(game):
    put(game, {**values_of(game), "version": "v885"}, key_of(game, "other"))
    assert f"key {key_of(game, 'other').public.key_id}, which is not" in doubt(game)
    assert "which is not trusted" in refusal(game, "rollback", "v884")
    result = game.run("verify", *IOS, *trust(game))
    assert (result.returncode, result.stdout) == (1, "")
    assert "which is not trusted" in result.stderr


def test_a_foreign_key_by_the_name_of_the_trusted_one_proves_nothing(game):
    put(game, values_of(game), key_of(game, "other"))
    values = values_of(game)
    values["signature"]["key"] = key_of(game).public.key_id
    put(game, values)
    assert "was changed after the key" in doubt(game)


def test_promoting_asks_who_signed_what_was_tested(game):
    game.lines("sync", "v885", *IOS, "--channel", "beta")
    path = game.store / "ios/channels/beta.json"
    values = json.loads(path.read_text())
    values["signature"] = sign(values, key_of(game, "other"))
    path.write_text(json.dumps(values))
    assert "which is not trusted" in refusal(game, "promote", "--from", "beta")


# --- What lies in the store was changed -----------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"version": "v885"},
        {"serial": 99},
        {"expires": "2100-01-01T00:00:00.000Z"},
        {"previous": "v1"},
        {"another": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_changed_in_a_signed_pointer_is_seen(game, change):
    put(game, {**values_of(game), **change})
    assert f"was changed after the key {key_of(game).public.key_id}" in doubt(game)


def test_a_field_that_nobody_knows_is_signed_with_the_others(game):
    put(game, {**values_of(game), "later": {"percent": 0.5}}, key_of(game))
    assert prove_by(game).pointer.version == "v884"


def test_a_key_that_stands_there_twice_is_damage(game):
    text = current(game).read_text().rstrip().removesuffix("}")
    current(game).write_text(text + ', "version": "v884"}')
    assert 'is damaged: it has the key "version" twice' in doubt(game)


def test_an_old_pointer_that_was_put_back_is_seen(game):
    old = current(game).read_bytes()
    game.lines("publish", "v885", *IOS)
    game.lines("rollback", "v884", *IOS)
    current(game).write_bytes(old)
    assert "has the serial 1, but 3 was there already" in doubt(game, last_serial=3)
    says = refusal(game, "publish", "v885")
    assert "has the serial 1, but there was 2 already: an old pointer" in says
    result = game.run("verify", *IOS, *trust(game), "--last-serial", "3")
    assert (result.returncode, result.stdout) == (1, "")
    assert game.lines("publish", "v885", *IOS, "--allow-untrusted") == [
        "Published v885 (was v884)."
    ]
    # Above that of the pointer that is nowhere any more.
    assert values_of(game)["serial"] == 4


def test_a_manifest_that_was_exchanged_for_a_whole_one_is_seen(game):
    path = game.store / "ios/versions/v884/manifest.jsonl"
    path.write_bytes(manifest_of([], "v884"))
    says = doubt(game)
    assert "the manifest of v884 of ios" in says
    assert "was signed: it was exchanged" in says


def test_a_manifest_of_a_rollout_s_that_was_exchanged_is_seen(game):
    game.lines("rollout", "v885", *IOS, "--percent", "5")
    path = game.store / "ios/versions/v885/manifest.jsonl"
    path.write_bytes(manifest_of([], "v885"))
    assert "the manifest of v885 of ios" in doubt(game)


def test_what_was_exchanged_since_the_test_is_not_promoted(game):
    game.lines("sync", "v885", *IOS, "--channel", "beta")
    path = game.store / "ios/versions/v885/manifest.jsonl"
    path.write_bytes(manifest_of([], "v885"))
    result = game.run("promote", *IOS, "--from", "beta", "--allow-empty")
    assert (result.returncode, result.stdout) == (1, "")
    assert "it is not what was tested there" in result.stderr


def test_a_pointer_of_another_platform_or_channel_is_not_taken(game):
    put(game, {**values_of(game), "platform": "android"}, key_of(game))
    assert "is that of live of android: it was signed for another" in doubt(game)
    path = game.store / "ios/channels/beta.json"
    path.parent.mkdir()
    values = {**values_of(game), "platform": "ios", "channel": "beta"}
    path.write_text(json.dumps({**values, "signature": sign(values, key_of(game))}))
    put(game, values, key_of(game))
    assert "is that of beta of ios" in doubt(game)


def test_nothing_that_is_not_there_is_proven(game):
    current(game).unlink()
    assert "is missing: nothing is served" in doubt(game)
    result = game.run("verify", *IOS)
    assert (result.returncode, result.stdout) == (2, "")
    assert "verify needs a public key that you trust: --trust KEY" in result.stderr
    result = game.run("verify", *IOS, "--trust", "nowhere")
    assert result.returncode == 2
    assert "--trust: nowhere can't be read" in result.stderr


def test_a_version_that_nobody_is_served_is_not_vouched_for(game):
    result = game.run("verify", "v885", *IOS, *trust(game))
    assert (result.returncode, result.stdout) == (1, "")
    assert "names v884, not v885" in result.stderr


# --- Time -----------------------------------------------------------------------------


def off_by(game, seconds):
    """Give the environment of a machine whose clock is wrong."""
    (game.root / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": str(game.root), "CLOCK_OFF": str(seconds)}


def test_a_pointer_is_proven_until_it_expires(game):
    result = game.run("publish", "v885", *IOS, RESOURCE_POINTER_EXPIRES="12h")
    assert result.returncode == 0
    end = values_of(game)["expires"]
    assert end.endswith("Z")
    for behind in (0, -DAY):
        assert game.run("verify", *IOS, *trust(game), **off_by(game, behind)).stdout
    result = game.run("verify", *IOS, *trust(game), **off_by(game, DAY))
    assert (result.returncode, result.stdout) == (1, "")
    assert f"expired at {end}, and it is " in result.stderr
    assert "publish v885 --expires 30d, or mend this machine's clock" in result.stderr


def test_a_publisher_whose_clock_is_a_day_behind_is_noticed_and_renews(game):
    wrong = off_by(game, -DAY)
    assert game.run("publish", "v885", *IOS, "--expires", "12h", **wrong).stdout
    assert "expired at" in doubt(game)
    (line,) = game.lines("publish", "v885", *IOS, "--expires", "30d")
    assert line.startswith("Renewed the pointer of iOS: v885, until 2")
    assert prove_by(game).pointer.serial == 3


def test_renewing_changes_nothing_but_the_end_and_fills_no_history(game):
    game.lines("publish", "v885", *IOS)
    before = values_of(game)
    for time in ("1d", "2d", "3d", "never"):
        game.lines("publish", "v885", *IOS, "--expires", time)
    after = values_of(game)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"serial", "signature"}
    assert after["serial"] == before["serial"] + 4
    history = json.loads((game.store / "ios/history.json").read_text())["pointers"]
    assert [each["version"] for each in history] == ["v884", "v885"]
    game.lines("rollback", "v884", *IOS)


def test_a_rollout_is_renewed_by_its_own_share(game):
    game.lines("rollout", "v885", *IOS, "--percent", "5")
    before = prove_by(game).pointer
    (line,) = game.lines("rollout", "v885", *IOS, "--percent", "5", "--expires", "1d")
    assert line.startswith("Renewed the pointer of iOS: v884, until 2")
    after = prove_by(game).pointer
    assert (after.rollout, after.serial) == (before.rollout, before.serial + 1)
    assert after.expires is not None
