"""What DATABASE_URL says is what every connection gets."""

import pytest

from resource_sync import database as module
from resource_sync.database import WrongUrl, database, without_password


def read(url, tmp_path):
    found = database(url, tmp_path)
    own = {"pool", "connect_timeout", "fallback_application_name", *module.SILENCE}
    options = {k: v for k, v in found["OPTIONS"].items() if k not in own}
    return [found[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME")] + [
        options
    ]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "postgres://u:p%40ss@db:5433/x?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            [
                *("db", "5433", "u", "p@ss", "x"),
                {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"},
            ],
        ),
        (
            "postgresql://u@a:1,b:2/x?target_session_attrs=read-write",
            ["a,b", "1,2", "u", "", "x", {"target_session_attrs": "read-write"}],
        ),
        (
            "postgres:///x?host=/run/postgresql&options=-c%20search_path%3Ds",
            ["/run/postgresql", "", "", "", "x", {"options": "-c search_path=s"}],
        ),
        ("postgres://[::1]:5432/x", ["::1", "5432", "", "", "x", {}]),
    ],
)
def test_every_part_of_a_url_is_kept(tmp_path, url, parts):
    assert read(url, tmp_path) == parts


def test_what_the_url_says_wins_over_what_the_product_would_say(tmp_path, monkeypatch):
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    usual = database("postgres://db/x", tmp_path)["OPTIONS"]
    assert usual["pool"] is module.POOL
    assert usual["connect_timeout"] == module.CONNECT_SECONDS
    said = database("postgres://db/x?connect_timeout=9&application_name=me", tmp_path)[
        "OPTIONS"
    ]
    assert (said["connect_timeout"], said["application_name"]) == ("9", "me")
    assert said["pool"] is module.POOL
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "60")
    assert "connect_timeout" not in database("postgres://db/x", tmp_path)["OPTIONS"]


def test_a_server_that_says_nothing_is_given_up_unless_the_url_says_otherwise(tmp_path):
    usual = database("postgres://db/x", tmp_path)["OPTIONS"]
    assert module.SILENCE.items() <= usual.items()
    url = "postgres://db/x?tcp_user_timeout=0&keepalives_idle=600"
    said = database(url, tmp_path)["OPTIONS"]
    assert (said["tcp_user_timeout"], said["keepalives_idle"]) == ("0", "600")
    assert said["keepalives_count"] == module.SILENCE["keepalives_count"]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/srv/resource_sync/web.py"], "resource-sync web"),
        (["manage.py", "run_tasks", "--once"], "resource-sync run_tasks"),
        (["/srv/manage.py"], "resource-sync manage"),
        ([""], "resource-sync"),
    ],
)
def test_a_connection_says_which_program_has_it(monkeypatch, argv, name):
    monkeypatch.setattr("sys.argv", argv)
    assert module.program() == name


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres://u:geheim@db/x?sslmod=require", "no option 'sslmod'"),
        ("postgres://u:geh@eim@db/x", "@ is written as %40"),
        ("postgres://u:geh%zzeim@db/x", "% as %25"),
        ("postgres://u:geheim@[::1/x", "no URL of PostgreSQL"),
        ("mysql://u:geheim@db/x", "'mysql' is no database"),
        ("geheim", "is no database"),
        ("sqlite:///x.sqlite3?mode=ro", "takes a path, and no options"),
    ],
)
def test_a_wrong_url_is_named_without_its_password(tmp_path, url, says):
    with pytest.raises(WrongUrl) as refused:
        database(url, tmp_path)
    assert says in str(refused.value)
    assert url == "geheim" or "eim" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://u:ge@he:im@h/0", "redis://u:***@h/0"),
        ("postgres://u@h/x?password=geheim&a=b", "postgres://u@h/x?password=***&a=b"),
        ("redis://h:6379/0", "redis://h:6379/0"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("", "{folder}/db.sqlite3"),
        ("sqlite:////srv/x.sqlite3", "/srv/x.sqlite3"),
        ("sqlite:///x.sqlite3", "x.sqlite3"),
    ],
)
def test_sqlite_s_file_is_the_one_that_is_named(tmp_path, url, name):
    assert str(database(url, tmp_path)["NAME"]) == name.format(folder=tmp_path)
