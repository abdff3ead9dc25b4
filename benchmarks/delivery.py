"""A release through a CDN to a thousand players, from the testers to a rollback.

    .venv/bin/python benchmarks/delivery.py [--players 1000] [--quick] [--store s3]
        [--manifests FOLDER] [--break WAY] [--json]

The engine's real commands move the pointers of a game's versions while players poll
them through nginx as CDN, and a judge says of each player whether it had at every
moment one whole version that was meant for it. Prints Markdown tables; with --json
then all figures. Exit code 1 where a player had anything else, or a broken edge was
not noticed. What the columns mean is in README.md.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rows import markdown, number
from story.acts import play
from story.breaks import BREAKS, show
from story.builds import Build, made_builds, real_builds
from story.figures import about, act_figures, game_figures
from story.stage import Options, alone

# Which versions of the made game start; the others are found to be bad.
VERSIONS = {"v1": True, "v2": True, "v3": False, "v4": False, "v5": True, "v6": True}
BEGAN = time.monotonic()
FILES, QUICK_FILES, QUICK_PLAYERS = 1000, 200, 50


def main() -> int:
    """Tell the story on each game that was asked for."""
    options = arguments()
    players = options.players or (QUICK_PLAYERS if options.quick else 1000)
    sizes = Options(
        players=players,
        store=options.store,
        processes=1 if options.quick else max(2, os.cpu_count() or 2),
        interval_seconds=0.3 if options.quick else 1.0,
        # So that some are in it whatever the salt is.
        percents=("5", "25") if players >= 500 else ("25", "50"),
    )
    files = QUICK_FILES if options.quick else FILES
    folder = Path(tempfile.mkdtemp(prefix="story-"))
    try:
        if options.ways:
            return tell_breaks(folder, options.ways, sizes, files, options.json)
        games = {"made": made_builds(folder / "made" / "source", VERSIONS, files)}
        if options.manifests:
            games = real_games(folder, options.manifests, options.versions)
        figures = [
            tell(folder / name, name, builds, sizes) for name, builds in games.items()
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps({"about": about(), "games": figures}))
    return 1 if any(one["verdict"]["faults"] for one in figures) else 0


def tell(folder: Path, name: str, builds: list[Build], sizes: Options) -> dict:
    """Play the story of a game, print its table, and return all figures."""
    load = os.getloadavg()[0]
    with alone(folder / "stage", builds, sizes) as stage:
        acts = play(stage, say, reports=name == "made")
    verdict = stage.verdict
    requests = stage.cdn.requests(), stage.origin.requests()
    rows = [act_figures(act, stage, *requests) for act in acts]
    say_table(rows)
    game = game_figures(builds, stage)
    print(f"\n{name}: {game['text']}; load {load:.1f} before.")
    print(
        f"{verdict.players} players, {verdict.polls} polls, {verdict.switches} versions"
        f" installed; {verdict.refused_polls} pointers and {verdict.refused_downloads}"
        f" downloads refused; the oldest pointer was replaced"
        f" {max(0, verdict.oldest_seconds):.1f} s before it was asked for; players with"
        f" a wrong version at any time: {verdict.wrong_players}\n"
    )
    for act in acts:
        for note in act.notes:
            print(f"{act.title}: {note.strip()}")
    for fault in verdict.faults[:20]:
        print(f"FAULT {fault.kind}: {fault.player}: {fault.text}")
    return {"name": name, "load": load, "game": game, "acts": rows,
            "verdict": asdict(verdict)}  # fmt: skip


def tell_breaks(
    folder: Path, ways: list[str], sizes: Options, files: int, as_json: bool
) -> int:
    """Show each way to be wrong, and say whether it was noticed."""
    lines = [["the edge serves", "pointers refused", "downloads refused",
              "had the new version meanwhile", "faults found", ""],
             ["---", "---:", "---:", "---:", "---", "---"]]  # fmt: skip
    told, missed = {}, 0
    for name in ways:
        way = BREAKS[name]
        say(way.text)
        builds = made_builds(folder / name / "source", VERSIONS, files)[:2]
        outcome = show(folder / name / "stage", builds, sizes, way)
        holds = way.holds(outcome)
        missed += not holds
        verdict = outcome.verdict
        lines.append([
            way.text, str(verdict.refused_polls), str(verdict.refused_downloads),
            str(outcome.had_new), ", ".join(sorted(outcome.kinds)) or "none",
            "as it should be" if holds else "NOT NOTICED",
        ])  # fmt: skip
        told[name] = {"holds": holds, "hadNew": outcome.had_new, **asdict(verdict)}
    print(markdown(lines))
    if as_json:
        print(json.dumps({"about": about(), "breaks": told}))
    return 1 if missed else 0


def real_games(folder: Path, manifests: Path, limit: int | None) -> dict:
    """Return the builds of every game with enough versions, by its name."""
    games = {}
    for game in sorted(path for path in manifests.iterdir() if path.is_dir()):
        say(f"{game.name}: its builds")
        builds = real_builds(folder / game.name / "source", game, limit)
        if len(builds) > 1:
            games[game.name] = builds
    if not games:
        sys.exit(
            f"{manifests}: no GAME/VERSION/project.manifest of two versions or more"
        )
    return games


def say_table(rows: list[dict]) -> None:
    """Print the acts of a story."""
    titles = {
        "act": "", "moves": "the move, s", "versions": "players on each version",
        "meant": "meant", "half": "50 % after, s", "most": "99 % after, s",
        "bytes": "KB a player", "files": "files a player", "cdn": "requests to CDN",
        "origin": "to origin", "ratio": "not from origin", "refused": "refused",
    }  # fmt: skip
    lines = [list(titles.values()), ["---", *["---:"] * (len(titles) - 1)]]
    lines += [[shown(row[key]) for key in titles] for row in rows]
    print(markdown(lines))


def shown(value: object) -> str:
    """Return a cell."""
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--players", type=int)
    parser.add_argument("--quick", action="store_true", help="50 players, 200 files")
    parser.add_argument("--store", choices=["folder", "s3"], default="folder")
    parser.add_argument("--manifests", type=Path, help="GAME/VERSION/project.manifest")
    parser.add_argument("--versions", type=int, help="the newest of each game alone")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--break", dest="ways", action="append", choices=list(BREAKS),
        help="an edge of the CDN that is wrong; may be given several times",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
