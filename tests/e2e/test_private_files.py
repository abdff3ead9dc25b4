"""Another account of the machine reads nothing of the product."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import requests
from dotenv import dotenv_values

from tests.ports import free_port
from tests.waiting import wait_until

from .product import Started, copy_of_the_product, environment_of_a_user

pytestmark = pytest.mark.e2e

TYPES = """
[publish]
[[publish.steps]]
command = ["sh", "-c", "echo released > $PUBLIC/file; umask"]
env = {PUBLIC = "%s"}
"""


@pytest.fixture
def folder():
    """Where others could come, if the product let them."""
    folder = Path(tempfile.mkdtemp(prefix="resource-sync-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def readable_to_others(folder):
    """What the account ``nobody`` can read there."""
    found = subprocess.run(
        ["find", folder, "-type", "f", "-readable"],
        user="nobody",
        group="nogroup",
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    return {str(Path(line).relative_to(folder)) for line in found.stdout.splitlines()}


def test_no_other_account_reads_what_the_product_wrote_only_what_jobs_publish(folder):
    clone, public = copy_of_the_product(folder / "product"), folder / "public"
    public.mkdir()
    public.chmod(0o755)
    (clone / "task_types.toml").write_text(TYPES % public)
    data = clone / "data"
    data.mkdir()
    for name in ("db.sqlite3.backup", "combined.log"):
        (data / name).write_text("from an earlier version")
    subprocess.run(["chmod", "-R", "a+rX", clone], check=True)
    before = readable_to_others(folder)
    assert "product/data/combined.log" in before
    started = Started(clone, free_port(), environment_of_a_user())
    try:
        wait_until(started.is_healthy, "the first start")
        key = {"X-API-Key": dotenv_values(clone / ".env")["API_KEY"]}
        url = f"http://127.0.0.1:{started.port}/api/tasks/publish"
        headers = {**key, "Prefer": "wait=60"}
        answer = requests.post(url, headers=headers, json={}, timeout=90).json()
        assert answer["status"] == "completed"
        written = readable_to_others(folder) - before
    finally:
        started.stop()
    assert written == {"public/file"}
    assert not [name for name in readable_to_others(folder) if "/data/" in name]
