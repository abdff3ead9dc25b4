"""Releases whose pointers are signed: every move signs, and nobody takes a signature
away."""

import json
import os
import shutil
import signal

import pytest

from resources.releases.proof import prove_pointer
from resources.signing.keys import read_private_key
from resources.signing.signatures import sign
from tests.resources.conftest import NEW_FILES, Game
from tests.resources.releases.test_promises import disturbed
from tests.resources.signed import (
    DAY,
    IOS,
    contents,
    doubt,
    key_of,
    off_by,
    prove_by,
    put,
    refusal,
    signed_game,
    trust,
    values_of,
)


@pytest.fixture
def game(signed_releases, tmp_path):
    shutil.copytree(signed_releases, tmp_path, dirs_exist_ok=True)
    return signed_game(tmp_path)


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


def test_a_wrong_time_or_trusted_key_stops_a_move_before_it_begins(game):
    says = refusal(game, "publish", "v885", "--expires", "1w")
    assert '--expires: "1w" is no time after which a pointer expires' in says
    says = refusal(game, "publish", "v885", RESOURCE_TRUSTED_KEYS="nowhere")
    assert "RESOURCE_TRUSTED_KEYS: nowhere can't be read" in says


def test_keygen_says_the_public_key_and_never_writes_over_one(tmp_path):
    game = Game(tmp_path)
    result = game.run("keygen", str(tmp_path / "key"))
    assert (result.returncode, result.stderr) == (0, "")
    public = read_private_key(str(tmp_path / "key")).public
    assert f"Public key: {public.raw.hex()}\n" in result.stdout
    assert f"Its id in signatures: {public.key_id}\n" in result.stdout
    result = game.run("keygen", str(tmp_path / "key"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "is there already, and a key is never overwritten" in result.stderr
    assert read_private_key(str(tmp_path / "key")).public == public


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


# --- Time -----------------------------------------------------------------------------
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
