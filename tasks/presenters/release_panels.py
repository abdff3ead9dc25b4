"""Each platform's releases for people: what is live, what was, and the ways on and
back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _

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
# Types of the product's own.
ROLLBACK, FIRST = "rollback", "full-sync"
PROMOTE, ROLL_OUT, HALT = "promote", "rollout", "halt-rollout"
SHARES = 5, 25, 50, 100  # percent of the players: what the form offers next


class ChannelLine(NamedTuple):
    """What a channel gives its players beside what is live: the version of another
    channel, or one that some of its players get."""

    channel: str
    version: str
    percent: int | float | None  # None: all of the channel
    acts: list[tuple[str, str]]  # what can be done with it: words and a form


@dataclass(frozen=True)
class ReleasePanel:
    """One platform, and what one of its channels served."""

    channel: str
    history: History
    channels: list[ChannelLine]
    rows: list[SpanRow]  # the newest, or all
    ribbon: Ribbon
    versions: list[str]  # that can be compared, newest first
    signed_by: str  # the id of a trusted key; "" where none signed what is served
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


def release_panels(
    actor: Actor, days: int, whole: str = "", channel: str = LIVE
) -> list[ReleasePanel]:
    """Return a panel for each platform, with all moves of the one that is ``whole``.
    ``channel`` is one that there is."""
    now = timezone.now()
    window = Window.ending(now, days)
    histories = histories_within(PATIENCE_SECONDS, channel=channel).values()
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
            channel,
            history,
            [
                line
                for line in channel_lines(
                    history.platform, served[history.platform], actor
                )
                if (line.channel, line.percent) != (channel, None)
            ],
            rows_of(
                history.spans[: None if history.platform == whole else ROWS],
                tasks,
                now,
            ),
            ribbon_of(history, window, tasks, now),
            _with_served(there_are.get(history.platform, []), history),
            signer_of(served[history.platform], channel),
            rollback_link(history.platform, history.goes_back_to, actor, channel),
            now,
        )
        for history in histories
    ]


def channel_lines(
    platform: str, served: Served | None, actor: Actor
) -> list[ChannelLine]:
    """Return what is said beneath the live version: the rollouts that are under way,
    and what other channels serve."""
    if served is None:
        return []
    live = served.pointer and served.pointer.version
    lines = []
    for pointer in filter(None, [served.pointer, *served.others]):
        channel = pointer.channel
        on = {"platforms": platform, "channel": channel}
        if channel != LIVE:
            params = {"version": pointer.version, "platforms": platform}
            promote = form_link(PROMOTE, {**params, "from": channel}, actor)
            is_live = pointer.version == live
            acts = _possible((_("Promote…"), "" if is_live else promote))
            lines.append(ChannelLine(channel, pointer.version, None, acts))
        if rollout := pointer.rollout:
            params = {"version": rollout.version, **on}
            share = next(share for share in SHARES if share > rollout.percent)
            more = form_link(ROLL_OUT, {**params, "percent": str(share)}, actor)
            halt = form_link(HALT, params, actor)
            acts = _possible((_("Roll out further…"), more), (_("Halt…"), halt))
            lines.append(ChannelLine(channel, rollout.version, rollout.percent, acts))
    return lines


def signer_of(served: Served | None, channel: str) -> str:
    """Return the id of the trusted key that signed a channel's pointer; "" for none."""
    return served.signers.get(channel, "") if served else ""


def _possible(*acts: tuple[str, str]) -> list[tuple[str, str]]:
    return [(words, url) for words, url in acts if url]


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


def rollback_link(
    platform: str, version: str | None, actor: Actor, channel: str = LIVE
) -> str:
    """Return the form that serves an earlier version of one platform again, filled in;
    "" where there is no such form, or they may not start it."""
    if version is None:
        return ""
    params = {"version": version, "platforms": platform}
    if channel != LIVE:
        params["channel"] = channel
    return form_link(ROLLBACK, params, actor)


def form_link(name: str, params: Mapping[str, str], actor: Actor) -> str:
    """Return a type's form, filled in; "" where there is no such form, or they may not
    start it."""
    kind = catalog().get(name)
    if kind is None or kind.hidden or not actor.may_start(kind):
        return ""
    try:
        kind.validated(params)
    except ParameterErrors:  # it has no such platform: it would be of them all
        return ""
    return deep_link(name, params)


def first_release(actor: Actor) -> tuple[str, str] | None:
    """Return the form that publishes a version everywhere, and its title; None where
    there is none, or they may not start it."""
    kind = catalog().get(FIRST)
    if kind is None or kind.hidden or not actor.may_start(kind):
        return None
    return deep_link(FIRST, {}), kind.local(kind.title)
