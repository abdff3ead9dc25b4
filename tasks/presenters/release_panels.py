"""Each platform's releases for people: what is live, what was, and the way back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.presenters.links import deep_link
from tasks.presenters.release_history import SpanRow, rows_of, tasks_of
from tasks.presenters.releases import PATIENCE_SECONDS, title_of
from tasks.presenters.ribbon import Ribbon, Window, ribbon_of
from tasks.presenters.wording import ago_text
from tasks.release_history import History, histories_within
from tasks.releases import LIVE, Served, served_within
from tasks.versions import versions_within

CHOICES = 50  # versions that can be compared
ROWS = 12  # of a platform's moves, until all are asked for
ROLLBACK, FIRST = "rollback", "full-sync"  # types of the product's own


class ChannelLine(NamedTuple):
    """What a channel gives its players beside what is live: the version of another
    channel, or one that some of its players get."""

    channel: str
    version: str
    percent: int | float | None  # None: all of the channel


@dataclass(frozen=True)
class ReleasePanel:
    """One platform."""

    history: History
    channels: list[ChannelLine]
    rows: list[SpanRow]  # the newest, or all
    ribbon: Ribbon
    versions: list[str]  # that can be compared, newest first
    signed_by: str  # the id of a trusted key; "" where none signed what is live
    back: str  # a form that rolls back, filled in; "" where the reader may not
    now: datetime

    @property
    def platform(self) -> str:
        return self.history.platform

    @property
    def title(self) -> str:
        return title_of(self.platform)

    @property
    def live(self) -> SpanRow | None:
        return self.rows[0] if self.rows else None

    @property
    def ago(self) -> str:
        since = self.live and self.live.span.since
        return ago_text(since, self.now) if since else ""

    @property
    def count(self) -> int:
        return len(self.history.spans)

    @property
    def compared_to(self) -> str:
        """Return the version that is worth a look: the newest there is."""
        return self.versions[0] if self.versions else ""

    @property
    def compared_from(self) -> str:
        """Return what it is compared with: what is live, or was before."""
        served = [span.version for span in self.history.spans]
        others = (name for name in served if name != self.compared_to)
        return next(others, self.versions[-1] if self.versions else "")


def release_panels(actor: Actor, days: int, whole: str = "") -> list[ReleasePanel]:
    """Return a panel for each platform, with all moves of the one that is ``whole``."""
    now = timezone.now()
    window = Window.ending(now, days)
    histories = histories_within(PATIENCE_SECONDS).values()
    served = served_within(0.0, [history.platform for history in histories])
    there_are = _versions(history.platform for history in histories)
    tasks = tasks_of(
        span
        for history in histories
        for n, span in enumerate(history.spans)
        if n < ROWS or history.platform == whole or window.ends_of(span)
    )
    return [
        ReleasePanel(
            history,
            channel_lines(served[history.platform]),
            rows_of(
                history.spans[: None if history.platform == whole else ROWS],
                tasks,
                now,
            ),
            ribbon_of(history, window, tasks, now),
            _with_served(there_are.get(history.platform, []), history),
            signer_of_live(served[history.platform]),
            rollback_link(history.platform, history.goes_back_to, actor),
            now,
        )
        for history in histories
    ]


def channel_lines(served: Served | None) -> list[ChannelLine]:
    """Return what is said beneath the live version: the rollouts that are under way,
    and what other channels serve."""
    if served is None:
        return []
    lines = []
    for pointer in filter(None, [served.pointer, *served.others]):
        if pointer.channel != LIVE:
            lines.append(ChannelLine(pointer.channel, pointer.version, None))
        if rollout := pointer.rollout:
            line = ChannelLine(pointer.channel, rollout.version, rollout.percent)
            lines.append(line)
    return lines


def signer_of_live(served: Served | None) -> str:
    """Return the id of the trusted key that signed the live pointer; "" for none."""
    return served.signers.get(LIVE, "") if served else ""


def _versions(platforms: Iterable[str]) -> dict[str, list[str]]:
    """Return the versions in source and store by platform, newest first, as far as
    these say it at once."""
    found: dict[str, list[str]] = {}
    for entry in versions_within(platforms, PATIENCE_SECONDS)["versions"]:
        found.setdefault(entry["platform"], []).append(entry["version"])
    return found


def _with_served(versions: Iterable[str], history: History) -> list[str]:
    served = (span.version for span in history.spans)
    return list(dict.fromkeys([*versions, *served]))[:CHOICES]


def rollback_link(platform: str, version: str | None, actor: Actor) -> str:
    """Return the form that makes an earlier version of one platform live again, filled
    in; "" where there is no such form, or they may not start it."""
    kind = catalog().get(ROLLBACK)
    if version is None or kind is None or kind.hidden or not actor.may_start(kind):
        return ""
    params = {"version": version, "platforms": platform}
    try:
        kind.validated(params)
    except ParameterErrors:  # it has no such platform: it would roll back them all
        return ""
    return deep_link(ROLLBACK, params)


def first_release(actor: Actor) -> tuple[str, str] | None:
    """Return the form that publishes a version everywhere, and its title; None where
    there is none, or they may not start it."""
    kind = catalog().get(FIRST)
    if kind is None or kind.hidden or not actor.may_start(kind):
        return None
    return deep_link(FIRST, {}), kind.local(kind.title)
