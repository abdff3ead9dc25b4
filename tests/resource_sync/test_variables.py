"""A variable that nothing reads is told."""

import pytest

from resource_sync import start
from resource_sync.settings import VARIABLES
from resource_sync.variables import ELSEWHERE, misspelt
from tests.test_docs import PLATFORM_STORES, settings_names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TASK_RETENTON", "TASK_RETENTION"),
        ("task_retention", "TASK_RETENTION"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("RUNNER_DRAINS", "RUNNER_DRAIN"),
        ("RESOURCE_STORE_ANDRIOD", "RESOURCE_STORE_ANDROID"),
        ("RESOURCES_SOURCE", "RESOURCE_SOURCE"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name, meant):
    says = f"{name} in .env is not a variable that is read; did you mean {meant}?"
    assert list(misspelt([name, "PORT"], VARIABLES)) == [says]


def test_one_that_is_like_no_other_is_named_too():
    (says,) = misspelt(["STUDIO_COLOUR"], VARIABLES)
    assert (
        says
        == "STUDIO_COLOUR in .env is not a variable that is read; see .env.example."
    )


@pytest.mark.parametrize(
    "name",
    [
        *("TZ", "AWS_ACCESS_KEY_ID", "PGSSLMODE", "http_proxy", "LC_ALL"),
        *("ADMIN_PASSWORD", "RESOURCE_STORE_IOS", "SECRET_KEY", "WEB_PROCESSES"),
    ],
)
def test_what_is_read_is_not_told(name):
    assert list(misspelt([name], VARIABLES)) == []


def test_every_documented_variable_is_known():
    assert settings_names() | PLATFORM_STORES <= VARIABLES | set(ELSEWHERE)


def test_a_start_tells_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(start, "ENV_FILE", tmp_path / ".env")
    (tmp_path / ".env").write_text("TASK_RETENTON=5\nPORT=3000\n")
    start.check()
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if "RETENTON" in line] == [
        "Warning: TASK_RETENTON in .env is not a variable that is read; "
        "did you mean TASK_RETENTION?"
    ]
