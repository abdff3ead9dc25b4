"""Programs that tests start hear signals, whatever the tests' own shell ignores."""

import signal
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

PARENT = """
import os, signal, subprocess, sys
number = int(sys.argv[1])
signal.signal(number, signal.SIG_IGN)
from tests import inherited
inherited.hear_again()
os.kill(os.getpid(), number)  # it goes on
ended = subprocess.run(["sh", "-c", f"kill -{number} $$"])
print(ended.returncode)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_shell_ignores_ends_a_program_and_not_the_tests(number):
    ended = subprocess.run(
        [sys.executable, "-c", PARENT, str(int(number))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == (f"{-number}\n", "")
