"""The product as its users start it: a copy of it, with ``make run`` without make."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from tests.waiting import PATIENCE_SECONDS

from .conftest import ROOT

# What the tests' own settings, or whoever runs them, would tell the product.
SERVICE_VARIABLES = re.compile(
    "SECRET_KEY|API_KEY|DATA_DIR|STATIC_DIR|LOG_TO|LOG_DIR|PORT|HOST|ADMIN_PASSWORD|MAKELEVEL"
    "|DATABASE_URL|RESOURCE_.*|WEB_PROCESSES|RUNNER.*|TASK_TYPES_FILE"
)
CODE = ("resource_sync", "tasks", "streaming", "resources", "client")
ROOMS = (*CODE, "templates", "static")
FILES = ("manage.py", "requirements.txt", "task_types.toml")


def copy_of_the_product(folder: Path) -> Path:
    """The product as a fresh clone has it: no .env, no data."""
    for room in (*ROOMS, "locale", "deploy"):
        shutil.copytree(ROOT / room, folder / room)
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    return folder


def environment_of_a_user() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not SERVICE_VARIABLES.fullmatch(name)
    }


class Started:
    def __init__(self, folder, port, environ, *, output=None):
        """``output``: a descriptor, where it shall not be a file."""
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.output = folder / "output"
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "resource_sync.start"],
                cwd=folder,
                env={**environ, "PORT": str(port), "RESOURCE_SOURCE": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output or file,
                stderr=subprocess.STDOUT,
            )

    def is_healthy(self):
        assert self.process.poll() is None, self.output.read_text()
        try:
            return requests.get(f"{self.url}/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def children(self, mark):
        """The living children whose command line has this word."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                if mark in child.cmdline():
                    found.append(child)
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)
