"""A release as players see it, through nginx as CDN: the story of
benchmarks/delivery.py, small."""

from dataclasses import replace

import pytest

from benchmarks.story.acts import play
from benchmarks.story.breaks import BREAKS, show
from benchmarks.story.builds import made_builds
from benchmarks.story.network import NGINX
from benchmarks.story.stage import Options, alone
from tests.ports import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.nginx,
    pytest.mark.skipif(NGINX is None, reason="nginx is not there"),
]
VERSIONS = {"v1": True, "v2": True, "v3": False, "v4": False, "v5": True, "v6": True}
OPTIONS = Options(
    players=40,
    processes=1,
    interval_seconds=0.2,
    percents=("25", "50"),
    # More than the CDN takes on a machine that does much else.
    stale_seconds=60,
    find_port=free_port,
)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    return made_builds(tmp_path_factory.mktemp("source"), VERSIONS, files=100)


def test_every_player_has_at_every_moment_one_whole_version_meant_for_it(
    builds, tmp_path
):
    with alone(tmp_path / "stage", builds, OPTIONS) as stage:
        acts = play(stage, print, reports=True)
    verdict = stage.verdict
    assert verdict.faults == []
    assert (verdict.refused_polls, verdict.refused_downloads) == (0, 0)
    assert verdict.polls > OPTIONS.players * len(acts)
    had = {switch.version for diary in stage.crowd for switch in diary.switches}
    assert had == {"v1", "v2", "v3", "v4", "v5"}, "v6 was for others"
    assert stage.crowd.versions() == {"v5": OPTIONS.players}
    halted = next(act for act in acts if act.title == "v3 halted")
    assert halted.versions == {"v2": OPTIONS.players}
    assert any(command.kills for act in acts for command in act.commands)
    moved = {f"/ios/versions/v2/{path}" for path in builds[1].files if "moved" in path}
    asked = {request.path for request in stage.cdn.requests()}
    assert moved
    assert not moved & asked, "what was moved is on the player's disk already"


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_edge_mixes_no_two_versions_and_is_noticed(name, builds, tmp_path):
    way = BREAKS[name]
    options = replace(OPTIONS, players=20)
    if way.faults and not way.careless:
        options = replace(options, stale_seconds=3)
    outcome = show(tmp_path / "stage", builds[:2], options, way)
    assert way.holds(outcome), (outcome.had_new, outcome.verdict)
