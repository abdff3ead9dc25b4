"""The metrics that docs/reference/metrics.md describes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference/metrics.md"
ROW = re.compile(r"^\| `(resource_sync_\w+)` \| (\w+) \|(.*?)\| (.+) \| (.+) \|$", re.M)
ENDINGS = {"histogram": ("_bucket", "_count", "_sum")}


def documented():
    """(type, labels) by name; a test fails where a row can't be read."""
    text = REFERENCE.read_text()
    rows = ROW.findall(text)
    assert len(rows) == len(re.findall(r"^\| `resource_sync_", text, re.M)) > 40
    names = [name for name, *_ in rows]
    assert sorted(set(names)) == sorted(names)
    return {
        name: (kind, tuple(sorted(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels, *_ in rows
    }


def series():
    """The names by which Prometheus stores them."""
    return {
        name + ending
        for name, (kind, _) in documented().items()
        for ending in ENDINGS.get(kind, ("",))
    }


def exposed(text):
    """(type, labels) by name, of an answer of ``/metrics``; the labels of those that
    have no samples are None."""
    kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text))
    found = dict.fromkeys(kinds)
    for name, labels in re.findall(r"(?m)^(\w+)(?:\{(.*)\})? \S+$", text):
        whole = name if name in kinds else re.sub(r"_(bucket|count|sum)$", "", name)
        names = set(re.findall(r'(\w+)="', labels)) - {"le"}
        found[whole] = tuple(sorted(names))
    return {name: (kinds[name], labels) for name, labels in found.items()}
