"""What the first and every later start prepare."""

import os
import socket
import subprocess

import pytest
from django.contrib.auth.models import User

from resource_sync import start
from resource_sync.http import listen_socket as addresses
from tests.left_out import reason_against_memory_disk


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
    from tasks.catalog.loader import catalog

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
    assert shown == "(ADMIN_PASSWORD, or as you set it)"
    assert User.objects.get().check_password("my own")


def test_an_administrator_under_another_name_is_enough(db):
    boss = User.objects.create_superuser("boss", password="x")
    assert start.admin_user("") == (boss, "(as you set it)")
    assert User.objects.count() == 1


def test_the_demo_is_made_where_the_folders_are_the_defaults_only(tmp_path):
    assert start.start_demo({"RESOURCE_SOURCE": "/builds"}, tmp_path) is None
    assert start.start_demo({"RESOURCE_STORE_IOS": "/ios"}, tmp_path) is None
    start.write_stamp(tmp_path / "run" / "demo", "made")
    assert start.start_demo({}, tmp_path) is None


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o600, False), (0o640, True), (0o644, True), (0o606, True)]
)
def test_secrets_that_others_can_read_are_warned_of_with_the_remedy(
    settings, tmp_path, capsys, mode, is_told
):
    settings.BASE_DIR = tmp_path
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(mode)
    start.check()
    shown = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in shown] == ["Warning"] * is_told
    assert all(line.endswith(f"chmod 600 {tmp_path}/.env") for line in shown)


def test_secrets_of_root_shared_with_the_service_s_group_are_meant_so(
    settings, tmp_path, capsys
):
    settings.BASE_DIR = tmp_path
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(0o640)
    os.chown(tmp_path / ".env", 65534, -1)
    start.check()
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_a_daemon_shows_secrets_at_its_first_start_and_then_where_they_are(settings):
    settings.API_KEY = "k" * 32
    user = User.objects.create_superuser("admin", password="pw-in-clear")
    first = start.banner_of_a_daemon(start.Prepared(user, "pw-in-clear", is_first=True))
    later = start.banner_of_a_daemon(
        start.Prepared(user, "pw-in-clear", is_first=False)
    )
    secrets = ("k" * 32, "pw-in-clear", "/sign-in/")
    assert [secret in first for secret in secrets] == [True] * 3
    assert [secret in later for secret in secrets] == [False] * 3
    assert "manage.py sign_in_link" in later
    assert f"in {start.ENV_FILE}" in later


@pytest.fixture
def read_only_folder(mounted_disk):
    """Return a folder as an image has it, with these files."""

    def make(*names):
        folder = mounted_disk()
        for name in names:
            (folder / name).write_text("{}")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        return folder

    return make


@pytest.fixture
def mounted_disk(tmp_path):
    if reason := reason_against_memory_disk():
        pytest.skip(reason)
    folder = tmp_path / "image"
    folder.mkdir()

    def mount():
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
        subprocess.run(command, check=True)
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_static_files_of_an_image_are_not_collected_again(
    settings, tmp_path, read_only_folder, capsys
):
    settings.STATIC_ROOT = read_only_folder("staticfiles.json")
    start.collect_static(tmp_path / "stamp")
    assert not (tmp_path / "stamp").exists()
    assert capsys.readouterr().out == ""


def test_a_folder_for_static_files_that_can_neither_be_filled_nor_used_is_named(
    settings, tmp_path, read_only_folder
):
    settings.STATIC_ROOT = read_only_folder()
    with pytest.raises(SystemExit, match=r"^STATIC_DIR: '.*image' can't be written"):
        start.collect_static(tmp_path / "stamp")
