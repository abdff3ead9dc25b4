"""What is served is proven by keys, and what was changed in the store is seen."""

import json
import shutil

import pytest

from resources.signing.signatures import sign
from tests.resources.conftest import OLD_FILES, manifest_of
from tests.resources.signed import (
    DAY,
    IOS,
    current,
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


def test_what_a_store_of_any_kind_serves_is_proven(any_game, signed_releases):
    any_game.environment["RESOURCE_SIGNING_KEY"] = str(signed_releases / "key")
    any_game.build("v884", OLD_FILES)
    any_game.lines("sync", "v884", *IOS, "--expires", "30d")
    any_game.lines("publish", "v884", *IOS, "--expires", "12h")
    trusted = ("--trust", str(signed_releases / "key.pub"))
    lines = any_game.lines("verify", *IOS, *trusted, "--last-serial", "2")
    assert lines[-1] == "Verified iOS: v884 as signed."
    result = any_game.run("verify", *IOS, "--trust", str(signed_releases / "other.pub"))
    assert (result.returncode, result.stdout) == (1, "")


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


def test_a_version_without_files_is_no_success_unless_that_is_meant(game):
    game.build("v886", {})
    game.lines("sync", "v886", *IOS, "--allow-empty")
    result = game.run("verify", *IOS, *trust(game))
    assert result.returncode == 2
    assert "nothing was compared: the manifest of ios lists no file" in result.stderr
    game.lines("verify", *IOS, *trust(game), "--allow-empty")


def test_what_is_wrong_with_one_platform_keeps_no_other_from_being_proven(game):
    result = game.run("verify", *trust(game))
    assert result.returncode == 1
    assert "Verified iOS: v884 as signed." in result.stdout
    assert result.stderr.count("is missing: nothing is served") == 2


def test_a_version_that_nobody_is_served_is_not_vouched_for(game):
    result = game.run("verify", "v885", *IOS, *trust(game))
    assert (result.returncode, result.stdout) == (1, "")
    assert "names v884, not v885" in result.stderr


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
