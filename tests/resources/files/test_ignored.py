"""What is no part of a release is not listed, and it is said what was left out."""

import json

import pytest

IOS = ("--platform", "ios")
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SECRETS = {
    ".DS_Store": "",
    ".env": "PASSWORD=x",
    ".env.production": "PASSWORD=y",
    ".git/HEAD": "ref",
    ".git/objects/00/11": "blob",
    "img/.DS_Store": "",
    "keys/deploy.pem": KEY,
    "keys/id_rsa": KEY,
    "keys/store.p12": "?",
}
GAME = {
    ".gitattributes": "",
    "a.json": "{}",
    "ca.pem": CERTIFICATE,
    "env.json": "{}",
    "id_rsa.pub": "ssh-rsa",
    "img/b.png": "picture",
    "walk.key": "frames",
}


def write(game, files):
    folder = game.source / "ios/v1"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def listed(folder):
    lines = (folder / "manifest.jsonl").read_text().splitlines()[1:-1]
    return [json.loads(line)["path"] for line in lines]


def test_secrets_and_litter_are_never_listed(game):
    folder = write(game, {**GAME, **SECRETS})
    lines = game.lines("manifest", str(folder))
    assert lines[1:] == [
        "Left out, as never listed: 9 files (.DS_Store, .env, .env.production, .git/,"
        " img/.DS_Store, …); a line such as !.DS_Store in .resourceignore takes one in."
    ]
    assert listed(folder) == sorted(GAME)
    assert game.lines("check", "v1", *IOS)[1:] == [
        *(f"EXTRA {path}" for path in sorted(SECRETS)),
        "All files matched successfully.",
        "Total files checked: 7",
    ]
    assert game.lines("sync", "v1", *IOS)[-1] == "Published v1."


def test_a_file_says_what_else_is_left_out(game):
    rules = "# notes\n\n*.psd\n/build/\n!build/keep.json\nnotes.txt\n!img/notes.txt\n"
    folder = write(
        game,
        {
            **GAME,
            ".resourceignore": rules,
            "img/c.psd": "",
            "build/x/y": "",
            "notes.txt": "",
            "img/notes.txt": "",
        },
    )
    assert game.lines("manifest", str(folder))[1:] == [
        "Left out by .resourceignore: 3 files."
    ]
    assert listed(folder) == sorted([*GAME, "img/notes.txt"])
    game.lines("check", "v1", *IOS, "--strict-extra")


def test_what_is_never_listed_is_taken_in_by_its_name_only(game):
    rules = "!*\n!.env.production\n"
    folder = write(game, {**GAME, **SECRETS, ".resourceignore": rules})
    game.lines("manifest", str(folder))
    assert listed(folder) == sorted([*GAME, ".env.production"])


def test_other_files_without_an_entry_are_still_named(game):
    folder = write(game, {**GAME, **SECRETS})
    game.lines("manifest", str(folder))
    (folder / "img/left.png").write_text("left")
    assert "EXTRA img/left.png" in game.lines("check", "v1", *IOS)
    assert game.run("sync", "v1", *IOS).returncode == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\n", "is not UTF-8"),
        (b"a\n!\n", 'line 2: "!" is not of gitignore\'s syntax'),
    ],
)
def test_a_wrong_file_is_refused(game, content, message):
    folder = write(game, GAME)
    (folder / ".resourceignore").write_bytes(content)
    result = game.run("manifest", str(folder))
    assert result.returncode == 2
    assert f"{folder / '.resourceignore'} {message}" in result.stderr
    assert not (folder / "manifest.jsonl").exists()


def test_a_link_is_no_such_file(game):
    folder = write(game, GAME)
    (folder / ".resourceignore").symlink_to("a.json")
    result = game.run("manifest", str(folder))
    assert result.returncode == 2
    assert ".resourceignore is a symbolic link" in result.stderr


def test_names_that_windows_reserves_pass_where_the_setting_allows_it(game):
    folder = write(game, {"con/aux.png": "picture"})
    result = game.run("manifest", str(folder))
    assert result.returncode == 2
    assert "Windows reserves (RESOURCE_WINDOWS_NAMES=allow takes it)" in result.stderr
    game.environment["RESOURCE_WINDOWS_NAMES"] = "allow"
    game.lines("manifest", str(folder))
    game.lines("sync", "v1", *IOS)
    game.lines("check", "v1", "--store", "--deep", *IOS)
    result = game.run("check", "v1", *IOS, RESOURCE_WINDOWS_NAMES="yes")
    assert result.returncode == 2
    assert result.stderr == (
        'error: RESOURCE_WINDOWS_NAMES is "refuse" or "allow", not "yes"\n'
    )
