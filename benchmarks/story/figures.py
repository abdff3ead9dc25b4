"""The figures of a story: what each act took, and what the players had of it."""

import platform
import subprocess
from itertools import pairwise
from statistics import mean

from .acts import Act
from .builds import Build
from .crowd import Switch
from .judge import meant_for
from .network import NGINX, Request
from .stage import Stage


def act_figures(
    act: Act, stage: Stage, at_cdn: list[Request], at_origin: list[Request]
) -> dict:
    """Return an act's row. Seconds are from the end of the move's command on; those
    who had it before that count as 0."""
    moves = [command for command in act.commands if _moves(command.text)]
    delays, switches, meant = _arrivals(act, stage)
    cdn, origin = (
        sum(act.began <= request.at < act.ended for request in requests)
        for requests in (at_cdn, at_origin)
    )
    refused = sum(
        act.began <= at + stage.clock_offset < act.ended
        for diary in stage.crowd
        for at, *_ in diary.refused
    )
    return {
        "act": act.title + _disturbed(act),
        "moves": _shown_seconds([command.seconds for command in moves]),
        "versions": _shown_versions(act.versions),
        "meant": meant or None,
        "half": _part(delays, 0.5),
        "most": _part(delays, 0.99),
        "bytes": mean(one.received for one in switches) / 1000 if switches else None,
        "files": mean(one.files for one in switches) if switches else None,
        "cdn": cdn,
        "origin": origin,
        "ratio": f"{1 - origin / cdn:.2%}" if cdn else None,
        "refused": refused,
        "seconds": act.ended - act.began,
        "commands": [
            {"text": one.text, "seconds": one.seconds, "kills": one.kills,
             "conflicts": one.conflicts} for one in act.commands
        ],
        "notes": act.notes,
    }  # fmt: skip


def game_figures(builds: list[Build], stage: Stage) -> dict:
    """Return how the versions of a game differ, by what lies in its builds."""
    kept, moved = [], 0
    for before, after in pairwise(builds):
        same = sum(before.files.get(p) == sha for p, sha in after.files.items())
        kept.append(same / len(after.files))
        there = set(before.files.values())
        moved += sum(
            p not in before.files and sha in there for p, sha in after.files.items()
        )
    last = builds[-1].files
    doubled = len(last) - len(set(last.values()))
    return {
        "versions": len(builds),
        "files": len(last),
        "doubled": doubled,
        "moved": moved,
        "leastKept": min(kept),
        "meanKept": mean(kept),
        "text": f"{len(builds)} versions, {len(last)} files in the last one, {doubled}"
        f" of them doubled, {moved} moved in all; {mean(kept):.1%} of a version's files"
        f" are those of the one before, at least {min(kept):.1%}",
    }


def about() -> dict[str, str]:
    """Return what was measured with."""
    nginx = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True)
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "nginx": nginx.stderr.strip().rpartition("/")[2],
    }


def _shown_seconds(seconds: list[float]) -> str | None:
    if len(seconds) > 3:
        return f"{min(seconds):.2f} to {max(seconds):.2f}"
    return " + ".join(f"{one:.2f}" for one in seconds) or None


def _moves(text: str) -> bool:
    command = text.split()[0]
    return command in ("sync", "promote", "rollout", "rollback") and (
        "--no-pointer" not in text
    )


def _disturbed(act: Act) -> str:
    kills = sum(command.kills for command in act.commands)
    conflicts = sum(command.conflicts for command in act.commands)
    texts = [f"{kills} times" if kills else "",
             f"{conflicts} conflicts" if conflicts else ""]  # fmt: skip
    told = ", ".join(filter(None, texts))
    return f" ({told})" if told else ""


def _arrivals(act: Act, stage: Stage) -> tuple[list[float], list[Switch], int]:
    """Return when those whom the act's move meant had it, what they installed by it,
    and how many they are."""
    if act.move is None or act.before is None:
        return [], [], 0
    delays, switches, meant = [], [], 0
    for diary in stage.crowd:
        if diary.channel != act.channel:
            continue
        wanted = meant_for(diary.name, act.move.content)
        if wanted == meant_for(diary.name, act.before.content):
            continue
        meant += 1
        mine = [
            switch
            for switch in diary.switches
            if switch.serial == act.move.serial and switch.version == wanted
        ]
        if mine:
            delays.append(max(0.0, mine[0].at - act.move.ended))
            switches.append(mine[0])
    return delays, switches, meant


def _part(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, round(share * len(values)))]


def _shown_versions(versions: dict[str, int]) -> str:
    return ", ".join(f"{name}: {versions[name]}" for name in sorted(versions))
