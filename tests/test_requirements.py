"""What is installed is what was decided on, to the byte."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)
LOCKED = re.compile(
    r"^([a-z0-9-]+)==(\S+)[^\n\\]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


def normal(name):
    """As PEP 503 writes the names of packages."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(file):
    found = NAMED.findall((ROOT / file).read_text())
    return {normal(name): number for name, number in found}


def locked(file):
    found = LOCKED.findall((ROOT / file).read_text())
    return {name: number for name, number, _ in found}


def test_every_package_is_named_with_its_reason_and_locked_at_that_version():
    assert named("requirements.in") == locked("requirements.txt")
    assert len(locked("requirements.txt")) > 50


def test_what_the_tests_need_is_locked_beside_the_same_product():
    dev = locked("requirements-dev.txt")
    assert named("requirements-dev.in").items() <= dev.items()
    assert locked("requirements.txt").items() <= dev.items()


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_is_nothing_but_versions_and_digests(file):
    """No address of an index, no file of a disk, no package without digests."""
    left = LOCKED.sub("", (ROOT / file).read_text()).splitlines()
    assert [line for line in left if not line.startswith("#")] == []


def test_what_is_installed_is_what_is_locked():
    wanted = locked("requirements.txt")
    del wanted["async-timeout"]  # for some Pythons only
    assert {name: version(name) for name in wanted} == wanted


def test_the_bill_of_materials_names_every_package_with_its_digests(tmp_path):
    file = tmp_path / "sbom.json"
    recipe = re.search(
        r"\$\(BIN\) -m (cyclonedx_py .*?sbom\.json)",
        (ROOT / "Makefile").read_text(),
        re.DOTALL,
    )[1]
    arguments = recipe.replace("\\\n", "").replace("sbom.json", str(file)).split()
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)
    bill = json.loads(file.read_text())
    found = {normal(one["name"]): one for one in bill["components"]}
    assert {name: one["version"] for name, one in found.items()} == locked(
        "requirements.txt"
    )
    digests = [one["externalReferences"] for one in found.values()]
    assert all(any(ref.get("hashes") for ref in refs) for refs in digests)
    assert bill["metadata"]["component"]["name"] == "resource-sync"
