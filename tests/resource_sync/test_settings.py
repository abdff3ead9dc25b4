"""A wrong value stops the start with one line."""

import os
import subprocess
import sys

import pytest


def start_with(**values):
    command = [sys.executable, "-c", "import resource_sync.settings"]
    env = {**os.environ, **values}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["API_KEY", "SECRET_KEY"])
def test_a_short_secret_stops_the_start_and_is_not_shown(name):
    code, said = start_with(**{name: "correct-horse"})
    assert code == 1
    assert said == (
        f"{name}: a value of 13 characters is not valid; "
        "expected at least 32 random characters.\n"
    )


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_a_bootstrap_key_is_long_or_none(key):
    assert start_with(API_KEY=key) == (0, "")
