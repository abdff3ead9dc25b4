"""What a task put out (``::set-output``), as tables that people read."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from tasks.presenters.releases import is_platform, title_of
from tasks.presenters.wording import bytes_text

OF_BYTES = "bytes"  # in the name of a number of bytes: bytesUploaded, say
SHORT = 10  # characters
ADDRESS = re.compile(r"https?://\S+")
MOVE = {"served", "previous"}  # what a platform's players get, and got before

# What the built-in jobs put out, as people call it.
LABELS = {
    "version": gettext_noop("version"),
    "filesChecked": gettext_noop("files checked"),
    "failed": gettext_noop("failed"),
    "new": gettext_noop("new files"),
    "reused": gettext_noop("reused files"),
    "moved": gettext_noop("moved files"),
    "doubled": gettext_noop("duplicate files"),
    "bytes": gettext_noop("total size"),
    "bytesReused": gettext_noop("reused size"),
    "bytesUploaded": gettext_noop("uploaded"),
    "copied": gettext_noop("copied files"),
    "served": gettext_noop("now live"),
    "previous": gettext_noop("previously live"),
    "channel": gettext_noop("channel"),
    "onChannel": gettext_noop("now on the channel"),
    "rollout": gettext_noop("rolled out"),
    "percent": gettext_noop("share of the players (percent)"),
    "halted": gettext_noop("halted rollout"),
    "serial": gettext_noop("serial"),
    "files": gettext_noop("files"),
    "added": gettext_noop("added files"),
    "changed": gettext_noop("changed files"),
    "removed": gettext_noop("removed files"),
    "playerBytes": gettext_noop("players download"),
    "signedBy": gettext_noop("signed by"),
    "objectsRemoved": gettext_noop("removed objects"),
    "bytesRemoved": gettext_noop("space freed"),
    "uploadsRemoved": gettext_noop("removed uploads"),
    "damaged": gettext_noop("damaged files"),
    "repaired": gettext_noop("repaired files"),
    "age": gettext_noop("age of the pointer in caches"),
    "store": gettext_noop("store"),
    "tried": gettext_noop("things tried"),
    "unfit": gettext_noop("unfit stores"),
}

# Numbers of files that a sentence names, where there are any.
WORK = {
    "damaged": gettext_noop("{n} damaged"),
    "repaired": gettext_noop("{n} repaired"),
    "added": gettext_noop("{n} added"),
    "changed": gettext_noop("{n} changed"),
    "moved": gettext_noop("{n} moved"),
    "removed": gettext_noop("{n} removed"),
}


@dataclass(frozen=True)
class Cell:
    """An output's value, as people read it."""

    text: str
    is_number: bool = False

    @property
    def is_figure(self) -> bool:
        """Return whether it stands at the right of its column: a number, or a word as
        short, such as a version among numbers."""
        is_word = len(self.text) <= SHORT and " " not in self.text
        return self.is_number or is_word

    @property
    def url(self) -> str:
        return self.text if ADDRESS.fullmatch(self.text) else ""

    def __str__(self) -> str:
        return self.text


NOTHING = Cell("–")


@dataclass(frozen=True)
class Label:
    """The name of an output: as its job has it, or what people call one of the
    built-in jobs'."""

    text: str
    is_own: bool = False  # of a job of one's own, so that nothing of it is changed

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """Objects with the same kind of values, one in each column: platforms, say."""

    columns: list[Label]
    rows: list[tuple[Label, list[Cell]]]

    @property
    def heads(self) -> Iterator[tuple[Label, bool]]:
        """Yield each column's name, and whether it holds figures alone, over which the
        name stands at the right, too."""
        for index, column in enumerate(self.columns):
            yield column, all(cells[index].is_figure for _, cells in self.rows)


@dataclass(frozen=True)
class Outcome:
    """What a task put out; ``sentence``: of a built-in job, what came of it over all
    platforms, in short."""

    values: list[tuple[Label, Cell]]
    table: Table | None
    sentence: str = ""

    def __bool__(self) -> bool:
        return bool(self.values or self.table)


def outcome_of(result: dict[str, Any] | None) -> Outcome:
    outputs = (result or {}).get("outputs", {})
    objects = {name: value for name, value in outputs.items() if _is_row(value)}
    # Sums of what a table has row by row say nothing more.
    in_table = {name for row in objects.values() for name in row}
    plain = {
        name: value
        for name, value in outputs.items()
        if name not in objects and name not in in_table
    }
    built_in = _is_built_in(objects)
    sentence = _sentence(objects) if built_in else ""
    rows = _without_what_is_said(objects) if built_in else objects
    return Outcome(
        [(_label(name, built_in), _cell(name, value)) for name, value in plain.items()],
        _table(rows, built_in) if rows else None,
        sentence,
    )


def label(name: str) -> str:
    """Return what people call an output."""
    return _(LABELS[name]) if name in LABELS else title_of(name)


def _label(name: str, built_in: bool) -> Label:
    is_known = built_in and name in LABELS
    return Label(label(name) if is_known else title_of(name), is_own=not is_known)


def _is_built_in(objects: Iterable[str]) -> bool:
    """Return whether these are what the built-in jobs say of each platform: another
    job's "bytes" need not be what they mean by it."""
    return any(map(is_platform, objects))


def _sentence(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the built-in jobs did, in the reader's language: each platform's
    part of it is in the table."""
    parts = [*_moves(rows), *_fits(rows)]
    totals: dict[str, int] = {}
    for row in rows.values():
        for name, value in row.items():
            if isinstance(value, int):
                totals[name] = totals.get(name, 0) + value
    if "new" in totals:
        n = totals["new"]
        text = ngettext("{n} new file", "{n} new files", n)
        parts.append(text.format(n=f"{n:,}"))
    elif "filesChecked" in totals:
        n = totals["filesChecked"]
        text = ngettext("{n} file checked", "{n} files checked", n)
        parts.append(text.format(n=f"{n:,}"))
    if n := totals.get("failed", 0):
        parts.append(ngettext("{n} failed", "{n} failed", n).format(n=f"{n:,}"))
    parts.extend(_other_work(totals))
    if "bytesUploaded" in totals:
        size = bytes_text(totals["bytesUploaded"])
        parts.append(_("{size} uploaded").format(size=size))
    return " · ".join(parts)


def _moves(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what players get now, and got before, or get already; each with the
    platforms where it is so."""
    found: dict[str, list[str]] = {}
    already: dict[str, list[str]] = {}
    for platform, row in rows.items():
        text = _move(row)
        if text:
            found.setdefault(text, []).append(title_of(platform))
        elif served := row.get("served") or row.get("onChannel"):
            already.setdefault(str(served), []).append(title_of(platform))
    for text, on in found.items():
        yield text.replace("{platforms}", _(", ").join(on))
    if not found:
        for version, on in already.items():
            text = _("{version} was served on {platforms} already")
            yield text.format(version=version, platforms=_(", ").join(on))


def _fits(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield on which platforms a store that was probed works, and on which not."""
    for unfit, text in (
        (1, gettext_noop("The store of {platforms} will not work as it is set")),
        (0, gettext_noop("The store of {platforms} works")),
    ):
        on = [title_of(name) for name, row in rows.items() if row.get("unfit") == unfit]
        if on:
            yield _(text).format(platforms=_(", ").join(on))


def _move(row: Mapping[str, Any]) -> str:
    """Return what became of one platform's pointer, "" where it stayed; the place of
    the platforms' names is left open. Of a task that moved several, that of ``live``
    counts."""
    words = {name: str(value) for name, value in row.items()}
    words["platforms"] = "{platforms}"
    words["share"] = _("{n} %").format(n=row.get("percent"))
    words["served"] = str(row.get("served") or row.get("onChannel"))
    words["move"] = " → ".join(
        str(version) for version in (row.get("previous"), words["served"]) if version
    )
    if row.keys() >= {"halted"}:
        text = _("Rollout of {halted} halted on {platforms}: all players get {served}")
    elif row.keys() >= {"rollout", "percent", "channel"} and "served" not in row:
        text = _("{rollout} for {share} of the players of {channel} on {platforms}")
    elif row.keys() >= {"rollout", "percent"}:
        text = _("{rollout} for {share} of the players on {platforms}")
    elif row.keys() >= MOVE:
        text = _("Live on {platforms}: {move}")
    elif row.keys() >= {"onChannel", "previous", "channel"}:
        text = _("On {channel} of {platforms}: {move}")
    else:
        return ""
    return text.format(**words)


def _other_work(totals: Mapping[str, int]) -> Iterator[str]:
    """Yield what was repaired, what was removed, and what a version changes."""
    for name, text in WORK.items():
        n = totals.get(name, 0)
        if n or (name == "damaged" and name in totals):
            yield _(text).format(n=f"{n:,}")
    if "objectsRemoved" in totals:
        n = totals["objectsRemoved"]
        text = ngettext("{n} object removed", "{n} objects removed", n)
        yield text.format(n=f"{n:,}")
    if "bytesRemoved" in totals:
        yield _("{size} freed").format(size=bytes_text(totals["bytesRemoved"]))
    if "uploadsRemoved" in totals:
        n = totals["uploadsRemoved"]
        text = ngettext("{n} upload removed", "{n} uploads removed", n)
        yield text.format(n=f"{n:,}")
    if "playerBytes" in totals:
        size = bytes_text(totals["playerBytes"])
        yield _("players download {size}").format(size=size)


def _without_what_is_said(
    rows: Mapping[str, Mapping[str, Any]],
) -> dict[str, Mapping[str, Any]]:
    """Return the rows without what the sentence says of them, where it says that of
    all, and there is more."""
    less: dict[str, Mapping[str, Any]] = {
        platform: {name: value for name, value in row.items() if name not in MOVE}
        for platform, row in rows.items()
    }
    is_said = all("previous" in row for row in rows.values() if "served" in row)
    return less if is_said and all(less.values()) else dict(rows)


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _table(objects: Mapping[str, Mapping[str, Any]], built_in: bool) -> Table:
    names = dict.fromkeys(name for value in objects.values() for name in value)
    rows = [
        (
            _label(name, built_in),
            [
                _cell(name, value[name]) if name in value else NOTHING
                for value in objects.values()
            ],
        )
        for name in names
    ]
    return Table([Label(title_of(name), is_own=True) for name in objects], rows)


def _cell(name: str, value: Any) -> Cell:
    number = _number(value)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return Cell(text(name, value), is_number)


def _number(value: Any) -> Any:
    """Return a value, and what several steps say in sum, which comes as text, as the
    number that it is."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value


def text(name: str, value: Any) -> str:
    """An output's value, as people read it."""
    value = _number(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        is_size = OF_BYTES in name.lower()
        return bytes_text(value) if is_size else f"{value:,}"
    return json.dumps(value, ensure_ascii=False)
