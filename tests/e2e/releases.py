"""Earlier releases of the product, out of the history of the repository."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import ROOT

COMMITS = {
    "1.0.0": "ccddc70",
    "2.0.0": "7ef075c",
}


def unpacked(release: str, folder: Path) -> Path:
    """The code of a release, in this folder; a shallow clone has none."""
    command = ["git", "archive", "--format=tar", COMMITS[release]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip(f"the history has no release {release}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
