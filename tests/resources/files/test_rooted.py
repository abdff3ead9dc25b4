"""Walking through a folder."""

import os
import random
from pathlib import Path

import pytest

from resources.files import rooted
from resources.files.rooted import Tree

NAMES = ["a", "a-b", "a.b", "z", "é", "漢", "\uffee", "\U0001f600", "\udcff", "Z"]


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Files whose names sort one way as text and another as bytes, in folders that do,
    too."""
    dice = random.Random(66)
    made = {
        "/".join(f"{dice.choice(NAMES)}{depth}" for depth in range(dice.randint(1, 3)))
        + f"-{number}"
        for number in range(300)
    }
    for path in made:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return sorted(made, key=os.fsencode)


def test_a_walk_goes_by_the_bytes_of_the_paths(
    tmp_path: Path, paths: list[str]
) -> None:
    assert list(Tree(tmp_path).walk()) == paths


def test_runs_are_short_and_of_one_folder(
    tmp_path: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooted, "RUN_FILES", 3)

    runs = list(Tree(tmp_path).walk_in_runs())

    assert [path for run in runs for path in run] == paths
    assert max(map(len, runs)) == 3
    assert all(len({Path(path).parent for path in run}) == 1 for run in runs)
