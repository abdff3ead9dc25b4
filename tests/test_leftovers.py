"""A test run leaves no process behind, however it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
# A run that starts a program which hears neither SIGINT nor SIGTERM.
RUN = """
import subprocess, sys
from tests import leftovers
leftovers.watch()
command = "trap '' INT TERM; echo $$; while :; do sleep 0.1; done"
program = subprocess.Popen(["sh", "-c", command], start_new_session=True)
program.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_run_started_is_ended(number):
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with subprocess.Popen(
        [*ignoring, sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE
    ) as run:
        program = psutil.Process(int(run.stdout.readline()))
        run.send_signal(number)
        run.wait()
        wait_until(lambda: not is_alive(program), "the program to be ended")


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
