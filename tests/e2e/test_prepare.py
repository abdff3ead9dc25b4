"""``python -m resource_sync.start prepare``: what precedes the systemd units."""

import os
import subprocess
import sys

import pytest
from dotenv import dotenv_values

from tests.waiting import PATIENCE_SECONDS

from .product import copy_of_the_product, environment_of_a_user

pytestmark = pytest.mark.e2e


@pytest.fixture
def clone(tmp_path):
    return copy_of_the_product(tmp_path / "clone")


def prepare(clone):
    return subprocess.run(
        [sys.executable, "-m", "resource_sync.start", "prepare"],
        cwd=clone,
        env={**environment_of_a_user(), "RESOURCE_SOURCE": str(clone)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_the_first_one_makes_what_is_missing_and_shows_it_once(clone):
    (clone / ".env").write_text("DATA_DIR=./elsewhere\n")
    first = prepare(clone)
    assert first.returncode == 0, first.stderr
    made = dotenv_values(clone / ".env")
    assert made["DATA_DIR"] == "./elsewhere"
    assert made["API_KEY"] in first.stdout
    assert made["ADMIN_PASSWORD"] in first.stdout
    assert "/sign-in/" in first.stdout
    assert "Stop" not in first.stdout

    # Each update runs it, and what it says is in the log of whatever deploys.
    second = prepare(clone)
    assert second.returncode == 0, second.stderr
    assert made["API_KEY"] not in second.stdout
    assert made["ADMIN_PASSWORD"] not in second.stdout
    assert "/sign-in/" not in second.stdout
    assert "manage.py sign_in_link" in second.stdout


def test_no_secret_is_shown_where_the_output_is_kept_with_the_logs(clone):
    (clone / ".env").write_text("LOG_TO=stdout\n")
    first = prepare(clone)
    assert first.returncode == 0, first.stderr
    made = dotenv_values(clone / ".env")
    assert made["API_KEY"] not in first.stdout
    assert made["ADMIN_PASSWORD"] not in first.stdout
    assert "/sign-in/" not in first.stdout
    assert "manage.py sign_in_link" in first.stdout
    assert not (clone / "logs").exists()


def test_an_administrator_of_a_new_database_is_shown(clone):
    assert prepare(clone).returncode == 0
    (clone / "data" / "db.sqlite3").unlink()
    assert dotenv_values(clone / ".env")["ADMIN_PASSWORD"] in prepare(clone).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_makes_nothing_where_the_product_is_another_account_s(clone):
    os.chown(clone, 65534, 65534)
    refused = prepare(clone)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "runuser -u nobody" in refused.stderr
    assert not (clone / ".env").exists()
    assert not (clone / "data").exists()
