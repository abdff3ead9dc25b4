"""What a web process has loaded when it begins to serve."""

import os
import subprocess
import sys

ASKED = """
import sys
import resource_sync.asgi

def loaded():
    return {name for name in sys.modules if name.startswith("tasks.")}

before = loaded()
from django.test import Client
for path in ("/", "/nowhere", "/api/tasks", "/admin/login/"):
    Client(raise_request_exception=False).get(path, HTTP_HOST="localhost")
print(*sorted(loaded() - before))
"""


def test_no_view_is_loaded_with_a_request(tmp_path):
    """An update in place has put other files there by then."""
    environ = {
        **os.environ,
        "SECRET_KEY": "only-for-this-test-" * 2,
        "DATA_DIR": str(tmp_path),
        "LOG_DIR": str(tmp_path),
        "ALLOWED_HOSTS": "localhost",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
