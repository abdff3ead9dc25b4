"""A stop that takes too long."""

import subprocess
import sys

import pytest

from tasks.runner.stop_limit import TOO_LATE

CODE = """
import time
from tasks.runner import stop_limit
stop_limit.MARGIN_SECONDS = 0.1
limit = stop_limit.StopLimit()
%s
time.sleep(0.5 if limit._done.is_set() else 60)
"""


@pytest.mark.parametrize(
    ("acts", "code"),
    [
        ("limit.begin(0.0)", TOO_LATE),
        ("limit.begin(0.0); limit.close()", 0),
        ("limit.close()", 0),
    ],
)
def test_a_process_that_hangs_in_its_stop_is_ended_and_no_other(acts, code):
    answer = subprocess.run([sys.executable, "-c", CODE % acts], check=False)
    assert answer.returncode == code
