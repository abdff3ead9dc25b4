"""Which secrets a first start makes, and where it leaves alone what is there."""

import os
import stat

import pytest
from dotenv import dotenv_values

from resource_sync.env_file import write_env_file


def test_the_first_start_makes_secrets_only_its_owner_can_read(tmp_path):
    path = tmp_path / ".env"
    write_env_file(path)
    values = dotenv_values(path)
    assert set(values) == {"SECRET_KEY", "API_KEY", "ADMIN_PASSWORD"}
    assert all(len(value) >= 16 for value in values.values())
    assert len(values["SECRET_KEY"]) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path], "a temporary file was left behind"


def test_two_installations_share_no_secret(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    write_env_file(first)
    write_env_file(second)
    a, b = dotenv_values(first), dotenv_values(second)
    assert not set(a.values()) & set(b.values())


def test_a_second_start_changes_nothing(tmp_path):
    path = tmp_path / ".env"
    write_env_file(path)
    before = path.read_bytes()
    write_env_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["PORT=4000", "PORT=4000\nSECRET_KEY=\n", ""])
def test_a_missing_secret_key_is_appended(tmp_path, monkeypatch, text):
    monkeypatch.delenv("SECRET_KEY")
    path = tmp_path / ".env"
    path.write_text(text)
    write_env_file(path)
    assert path.read_text().startswith(text)
    assert len(dotenv_values(path)["SECRET_KEY"]) >= 50


def test_a_secret_key_in_the_environment_is_enough(tmp_path):
    path = tmp_path / ".env"
    path.write_text("PORT=4000\n")
    write_env_file(path)
    assert path.read_text() == "PORT=4000\n"


def test_a_file_that_no_start_has_had_yet_gets_every_secret(tmp_path, monkeypatch):
    for name in ("SECRET_KEY", "API_KEY", "ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / ".env"
    path.write_text("DATA_DIR=/srv/data\n")
    assert write_env_file(path) == ["SECRET_KEY", "API_KEY", "ADMIN_PASSWORD"]
    values = dotenv_values(path)
    assert values.pop("DATA_DIR") == "/srv/data"
    assert all(len(value) >= 16 for value in values.values())
    assert write_env_file(path) == []


def test_a_secret_that_was_left_empty_or_is_set_elsewhere_is_not_made(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("ADMIN_PASSWORD", "set in the environment")
    path = tmp_path / ".env"
    path.write_text("API_KEY=\nSECRET_KEY=\n")
    assert write_env_file(path) == ["SECRET_KEY"]
    assert dotenv_values(path)["API_KEY"] == ""


def test_a_file_that_gets_secrets_is_closed_to_others_first(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    path = tmp_path / ".env"
    path.write_text("PORT=4000\n")
    path.chmod(0o644)
    write_env_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_a_finished_installation_is_left_as_it_is(tmp_path, monkeypatch):
    """Whoever took out API_KEY meant it."""
    monkeypatch.delenv("SECRET_KEY")
    path = tmp_path / ".env"
    path.write_text(f"SECRET_KEY={'x' * 50}\n")
    path.chmod(0o640)
    assert write_env_file(path) == []
    assert dotenv_values(path) == {"SECRET_KEY": "x" * 50}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(not os.geteuid(), reason="root can write to every file")
def test_a_file_that_can_t_be_written_stops_with_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    path = tmp_path / ".env"
    path.touch(mode=0o400)
    with pytest.raises(SystemExit, match="can't be read and written"):
        write_env_file(path)
