"""What the first and every later start prepare."""

import socket
import stat

import pytest
from django.contrib.auth.models import User
from dotenv import dotenv_values

from resource_sync import addresses, start


def test_the_first_start_makes_secrets_only_its_owner_can_read(tmp_path):
    path = tmp_path / ".env"
    start.write_env_file(path)
    values = dotenv_values(path)
    assert set(values) == {"SECRET_KEY", "API_KEY", "ADMIN_PASSWORD"}
    assert all(len(value) >= 16 for value in values.values())
    assert len(values["SECRET_KEY"]) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path], "a temporary file was left behind"


def test_two_installations_share_no_secret(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    start.write_env_file(first)
    start.write_env_file(second)
    a, b = dotenv_values(first), dotenv_values(second)
    assert not set(a.values()) & set(b.values())


def test_a_second_start_changes_nothing(tmp_path):
    path = tmp_path / ".env"
    start.write_env_file(path)
    before = path.read_bytes()
    start.write_env_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["PORT=4000", "PORT=4000\nSECRET_KEY=\n", ""])
def test_a_missing_secret_key_is_appended(tmp_path, monkeypatch, text):
    monkeypatch.delenv("SECRET_KEY")
    path = tmp_path / ".env"
    path.write_text(text)
    start.write_env_file(path)
    assert path.read_text().startswith(text)
    assert len(dotenv_values(path)["SECRET_KEY"]) >= 50


def test_a_secret_key_in_the_environment_is_enough(tmp_path):
    path = tmp_path / ".env"
    path.write_text("PORT=4000\n")
    start.write_env_file(path)
    assert path.read_text() == "PORT=4000\n"


def test_a_taken_port_stops_the_start_and_names_the_variable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as stop:
            addresses.refuse_taken_port("127.0.0.1", port)
    message = str(stop.value)
    assert message.startswith(f"PORT: {port} on 127.0.0.1 can't be used")
    assert "\n" not in message


def test_a_host_that_is_no_address_stops_the_start():
    with pytest.raises(SystemExit, match=r"^HOST: 'not an address' is not valid"):
        addresses.bind_address("not an address", 3000)


def test_a_wrong_file_of_task_types_stops_the_start_with_one_line(settings, tmp_path):
    from tasks.catalog import catalog

    wrong = tmp_path / "types.toml"
    wrong.write_text("[demo]\ntitle = 5\n")
    settings.TASK_TYPES_FILE = wrong
    catalog.cache_clear()
    try:
        with pytest.raises(SystemExit) as stop:
            start.check()
    finally:
        catalog.cache_clear()
    assert "types.toml" in str(stop.value)
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize(
    ("processes", "redis_url", "rate", "warnings"),
    [
        (3, "", "30/m", 1),
        (1, "", "30/m", 0),
        (3, "redis://127.0.0.1:6379/0", "30/m", 0),
        (3, "", None, 0),
    ],
)
def test_several_web_processes_that_count_apart_are_warned_of_in_one_line(
    settings, capsys, processes, redis_url, rate, warnings
):
    settings.WEB_PROCESSES, settings.REDIS_URL = processes, redis_url
    settings.RATE_LIMIT_CREATE = rate
    start.check()
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == warnings
    assert all("WEB_PROCESSES" in line and "REDIS_URL" in line for line in shown)


def test_the_first_start_makes_the_administrator(db):
    user, shown = start.admin_user("a password from .env")
    assert (user.username, shown) == ("admin", "a password from .env")
    assert user.check_password("a password from .env")
    assert user.is_superuser


def test_without_a_password_one_is_made_up_and_shown(db):
    user, shown = start.admin_user("")
    assert user.check_password(shown)


def test_a_changed_password_is_not_shown_and_not_reset(db):
    user, _ = start.admin_user("the first")
    user.set_password("my own")
    user.save()
    again, shown = start.admin_user("the first")
    assert again == user
    assert shown == "(as you set it)"
    assert User.objects.get().check_password("my own")


def test_an_administrator_under_another_name_is_enough(db):
    boss = User.objects.create_superuser("boss", password="x")
    assert start.admin_user("y") == (boss, "(as you set it)")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("host", "https", "allowed", "expected"),
    [
        ("127.0.0.1", False, ["localhost", "127.0.0.1"], "http://127.0.0.1:3000"),
        ("0.0.0.0", False, ["localhost", "127.0.0.1"], "http://127.0.0.1:3000"),
        ("::1", False, ["[::1]", "::1"], "http://[::1]:3000"),
        ("0.0.0.0", False, ["sync.example.com"], "http://sync.example.com:3000"),
        ("127.0.0.1", True, ["sync.example.com"], "https://sync.example.com"),
        ("127.0.0.1", False, ["*"], "http://127.0.0.1:3000"),
    ],
)
def test_the_printed_url_is_one_that_is_answered(
    settings, host, https, allowed, expected
):
    settings.HOST, settings.PORT, settings.HTTPS = host, 3000, https
    settings.ALLOWED_HOSTS = allowed
    assert start.base_url() == expected


def test_the_demo_is_made_where_the_folders_are_the_defaults_only(tmp_path):
    assert start.start_demo({"RESOURCE_SOURCE": "/builds"}, tmp_path) is None
    assert start.start_demo({"RESOURCE_STORE_IOS": "/ios"}, tmp_path) is None
    start.write_stamp(tmp_path / "run" / "demo", "made")
    assert start.start_demo({}, tmp_path) is None
