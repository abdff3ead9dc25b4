"""The commands about what is live, and what changes."""

from __future__ import annotations

from argparse import Namespace
from typing import Any
from urllib.parse import quote, urlencode

from client.errors import COMPLETED
from client.following import ago
from client.service import Service
from client.terminal import Screen
from client.words import words

KILO = 1000


def amount(size: int | None) -> str:
    """Return bytes as people read them: 1.2 MB."""
    if size is None:
        return "–"
    value, units = float(size), ["B", "kB", "MB", "GB"]
    while value >= KILO and len(units) > 1:
        value, units = value / KILO, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def releases(service: Service, screen: Screen, options: Namespace) -> int:
    found = service.ask("GET", "/api/releases")
    if screen.as_json:
        screen.say_json(found)
        return COMPLETED
    rows = []
    for release in found["releases"]:
        rollout = release["rollout"]
        partly = f"{rollout['version']} {rollout['percent']:g} %" if rollout else ""
        rows.append(
            [
                release["platform"],
                release["channel"],
                release.get("error") or release["version"] or "–",
                partly,
                ago(release["since"]),
                str(release["files"] if release["files"] is not None else "–"),
                amount(release["size"]),
            ]
        )
    heads = ["Platform", "Channel", "Version", "Rollout", "Since", "Files", "Size"]
    screen.table([words(head) for head in heads], rows)
    return COMPLETED


def changes(service: Service, screen: Screen, options: Namespace) -> int:
    query = {"from": options.old, "to": options.new}
    asked = urlencode({name: value for name, value in query.items() if value})
    path = f"/api/releases/{quote(options.platform, safe='')}/changes?{asked}"
    found = service.ask("GET", path)
    if screen.as_json:
        screen.say_json(found)
        return COMPLETED
    kinds = ("added", "changed", "moved", "removed", "unchanged")
    rows = [row(words(kind), found[kind]) for kind in kinds]
    for player in found["playerBytes"]:
        text = words("players on {version} download")
        rows.append(row(text.format(version=player["version"]), player))
    old = (found["from"] or {}).get("version", "–")
    head = f"{found['platform']} {old} → {found['to']['version']}"
    screen.table([head, words("Files"), words("Size")], rows)
    return COMPLETED


def row(name: str, of: dict[str, Any]) -> list[str]:
    return [name, str(of["files"]), amount(of["bytes"])]
