"""What a version changes, for people: a sentence, and pictures with their numbers."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tasks.changes import NoChanges, NotReady, changes_within
from tasks.presenters.releases import PATIENCE_SECONDS, title_of
from tasks.presenters.wording import bytes_text
from tasks.releases import UnknownPlatform

TYPED_SECONDS = 2.0  # somebody has just typed a version, and looks at the form
TO_GET = ("added", "changed", "moved")  # what a player downloads
GUARD_OFF = 100
# By kind: what stands beside a number, and over a column.
COUNTED = {
    "added": gettext_noop("%(n)s added"),
    "changed": gettext_noop("%(n)s changed"),
    "moved": gettext_noop("%(n)s moved"),
    "removed": gettext_noop("%(n)s removed"),
    "unchanged": gettext_noop("%(n)s unchanged"),
}
TITLES = {
    "added": gettext_noop("Added"),
    "changed": gettext_noop("Changed"),
    "moved": gettext_noop("Moved"),
    "removed": gettext_noop("Removed"),
}


# --- Before a task is started ---------------------------------------------------------


class Planned(NamedTuple):
    """What a version would do on a platform; ``state`` is "ok", "warning" where the
    guard would stop it, "pending" where it takes longer to say, or "none"."""

    text: str
    state: str


def planned_sentence(
    platform: str,
    version: str,
    *,
    limit: int | None = None,
    seconds: float = TYPED_SECONDS,
) -> Planned:
    """Say what publishing a version would do, in a sentence: ``iOS: 12 new, 1,233
    reused · 231.0 kB per player · guard 0.6 % of 20 %``.

    ``limit`` is the guard's, in percent, as the form has it.
    """
    try:
        found = changes_within(seconds, platform, version)
    except NotReady:
        return Planned(_of(platform, _("still being compared …")), "pending")
    except (NoChanges, UnknownPlatform) as reason:
        return Planned(str(reason), "none")
    if found["live"] == version:
        words = {"version": version}
        return Planned(_of(platform, _("%(version)s is live already") % words), "none")
    parts = [_planned_files(found), *_planned_download(found), *_guard(found, limit)]
    state = "ok" if _passes(found, limit) else "warning"
    return Planned(_of(platform, " · ".join(parts)), state)


def planned_sentences(
    platforms: Iterable[str],
    version: str,
    *,
    limit: int | None = None,
    seconds: float = TYPED_SECONDS,
) -> list[Planned]:
    """Say it of several platforms, which share the seconds."""
    until = time.monotonic() + seconds
    return [
        planned_sentence(
            platform, version, limit=limit, seconds=max(0.0, until - time.monotonic())
        )
        for platform in platforms
    ]


def _of(platform: str, what: str) -> str:
    return _("%(platform)s: %(what)s") % {"platform": title_of(platform), "what": what}


def _planned_files(found: Mapping[str, Any]) -> str:
    plan = found["plan"]
    if plan is None:
        return _("in the store already")
    if found["from"] is None:
        count = plan["newFiles"] + plan["doubledFiles"]
        size = bytes_text(plan["newBytes"] + plan["doubledBytes"])
        words = {"files": f"{count:,}", "size": size}
        return _("first version, %(files)s files, %(size)s") % words
    words = {"new": f"{plan['newFiles']:,}", "reused": f"{plan['reusedFiles']:,}"}
    if plan["doubledFiles"]:
        words["doubled"] = f"{plan['doubledFiles']:,}"
        return _("%(new)s new, %(reused)s reused, %(doubled)s duplicates") % words
    return _("%(new)s new, %(reused)s reused") % words


def _planned_download(found: Mapping[str, Any]) -> list[str]:
    download = found["download"]
    if download is None:
        return []
    return [_("%(size)s per player") % {"size": bytes_text(download["bytes"])}]


def _guard(found: Mapping[str, Any], limit: int | None) -> list[str]:
    guard = found["guard"]
    if guard is None:
        return []
    most = guard["limitPercent"] if limit is None else limit
    words = {"share": f"{guard['percent']:.1f}", "limit": most}
    if most >= GUARD_OFF:
        return [_("%(share)s %% changed, guard off") % words]
    return [_("guard %(share)s %% of %(limit)s %%") % words]


def _passes(found: Mapping[str, Any], limit: int | None) -> bool:
    guard = found["guard"]
    if guard is None or (limit is not None and limit >= GUARD_OFF):
        return True
    if limit is None:
        return bool(guard["passes"])
    lost = guard["dropped"] + guard["changed"]
    return bool(100 * lost <= limit * guard["files"])


# --- The picture ----------------------------------------------------------------------


class Bar(NamedTuple):
    """A part of a bar, in thousandths of the longest."""

    kind: str
    x: int
    width: int


class FolderRow(NamedTuple):
    """A folder; ``counts`` has a number of files for each column, "" for none."""

    name: str
    counts: list[str]
    size: str
    bars: list[Bar]


class FileRow(NamedTuple):
    """One of the largest files; ``before`` is "" where it had no other size."""

    folder: str  # with the slash at its end
    name: str
    kind: str
    title: str
    size: str
    before: str


class PlayerRow(NamedTuple):
    """What a player downloads; ``by_content`` is "" where that is the same."""

    version: str
    is_compared: bool
    is_live: bool
    files: str
    size: str
    by_content: str
    width: int


@dataclass(frozen=True)
class ShownChanges:
    """What a version changes on a platform; or, with ``problem``, why that isn't known,
    or (``is_pending``) not yet."""

    platform: str
    version: str
    since: str = ""
    sentence: str = ""
    totals: str = ""
    columns: list[tuple[str, str]] = field(default_factory=list)  # kind and title
    folders: list[FolderRow] = field(default_factory=list)
    omitted: int = 0
    largest: list[FileRow] = field(default_factory=list)
    players: list[PlayerRow] = field(default_factory=list)
    planned: str = ""
    guard_stops: bool = False
    problem: str = ""
    is_pending: bool = False


def shown_changes(
    platform: str, version: str, since: str = "", *, seconds: float = PATIENCE_SECONDS
) -> ShownChanges:
    """Return what ``changes.html`` shows. Never raises."""
    title = title_of(platform)
    try:
        found = changes_within(seconds, platform, version, since)
    except (NoChanges, UnknownPlatform) as reason:
        is_pending = isinstance(reason, NotReady)
        return ShownChanges(
            title, version, since, problem=str(reason), is_pending=is_pending
        )
    kinds = [kind for kind in TITLES if found[kind]["files"]]
    planned = [_planned_files(found)] if found["plan"] else []
    return ShownChanges(
        title,
        version,
        found["from"]["version"] if found["from"] else "",
        changes_sentence(found),
        _totals(found),
        [(kind, _(TITLES[kind])) for kind in kinds],
        _folder_rows(found, kinds),
        found["foldersOmitted"],
        [_file_row(each) for each in found["largest"]],
        _player_rows(found),
        " · ".join([*planned, *_guard(found, None)]),
        not _passes(found, None),
    )


def changes_sentence(found: Mapping[str, Any]) -> str:
    """Sum up in a sentence: ``4 added, 8 changed, 1,233 unchanged · 231.0 kB per player
    from v884``."""
    counts = [
        _(words) % {"n": f"{found[kind]['files']:,}"}
        for kind, words in COUNTED.items()
        if found[kind]["files"]
    ]
    download = found["download"]
    if download is None:
        return _(", ").join(counts)
    words = {"size": bytes_text(download["bytes"]), "version": download["version"]}
    per_player = _("%(size)s per player from %(version)s") % words
    return f"{_(', ').join(counts)} · {per_player}"


def _totals(found: Mapping[str, Any]) -> str:
    new, old = found["to"], found["from"]
    words = {"files": f"{new['files']:,}", "size": bytes_text(new["bytes"])}
    total = _("%(files)s files, %(size)s in all") % words
    if old is None:
        return total
    grown = new["bytes"] - old["bytes"]
    return f"{total} ({'−' if grown < 0 else '+'}{bytes_text(abs(grown))})"


def _folder_rows(found: Mapping[str, Any], kinds: list[str]) -> list[FolderRow]:
    folders = found["folders"]
    longest = max(map(_to_get, folders), default=0) or 1
    return [
        FolderRow(
            each["folder"],
            [f"{n:,}" if (n := each[kind]["files"]) else "" for kind in kinds],
            bytes_text(_to_get(each)),
            _bars(each, longest),
        )
        for each in folders
    ]


def _to_get(folder: Mapping[str, Any]) -> int:
    return sum(int(folder[kind]["bytes"]) for kind in TO_GET)


def _bars(folder: Mapping[str, Any], longest: int) -> list[Bar]:
    bars, x = [], 0
    for kind in TO_GET:
        size = folder[kind]["bytes"]
        if size:
            bars.append(Bar(kind, x, max(4, round(1000 * size / longest))))
            x += bars[-1].width
    return bars


def _file_row(file: Mapping[str, Any]) -> FileRow:
    is_resized = file["before"] not in (None, file["bytes"])
    folder, slash, name = file["path"].rpartition("/")
    return FileRow(
        folder + slash,
        name,
        file["kind"],
        _(TITLES[file["kind"]]),
        bytes_text(file["bytes"]),
        bytes_text(file["before"]) if is_resized else "",
    )


def _player_rows(found: Mapping[str, Any]) -> list[PlayerRow]:
    players = found["playerBytes"]
    longest = max((each["bytes"] for each in players), default=0) or 1
    since = found["from"] and found["from"]["version"]
    return [
        PlayerRow(
            each["version"],
            each["version"] == since,
            each["version"] == found["live"],
            f"{each['files']:,}",
            bytes_text(each["bytes"]),
            bytes_text(each["newContentBytes"])
            if each["newContentBytes"] != each["bytes"]
            else "",
            max(4, round(1000 * each["bytes"] / longest)) if each["bytes"] else 0,
        )
        for each in players
    ]
