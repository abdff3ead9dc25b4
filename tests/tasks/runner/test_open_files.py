"""The limit of open files is looked at before tasks run into it."""

import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

# The limits of a process of its own, so that nobody else runs into them.
ASK = """
import resource, sys
from tasks.runner.open_files import make_room_for
soft, hard, concurrency = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    make_room_for(concurrency)
except Exception as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def ask(soft, hard, concurrency):
    command = [sys.executable, "-c", ASK, *map(str, (soft, hard, concurrency))]
    return subprocess.check_output(command, cwd=ROOT, text=True).splitlines()


@pytest.mark.parametrize(
    ("soft", "concurrency", "then"), [(256, 4, 256), (256, 100, 464), (80, 4, 80)]
)
def test_the_soft_limit_is_raised_as_far_as_is_needed(soft, concurrency, then):
    assert ask(soft, 1024, concurrency) == [str(then)]


def test_more_tasks_than_the_hard_limit_allows_are_refused_with_how_many_it_does():
    assert ask(256, 1024, 400) == [
        "400 tasks at a time need 1,664 open files, and this process may open 1,024 "
        "(ulimit -n): raise that, or run at most 240.",
        "256",
    ]


def test_a_runner_does_not_start_with_places_that_it_has_no_files_for():
    command = f"ulimit -n 200; {sys.executable} manage.py run_tasks --concurrency 100"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.strip().endswith(
        "--concurrency: 100 tasks at a time need 464 open files, and this process may "
        "open 200 (ulimit -n): raise that, or run at most 34."
    ), done.stderr
