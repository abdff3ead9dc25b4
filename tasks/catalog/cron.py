"""Cron expressions in a time zone: when they run next, also on the nights when clocks
change.

Five fields, as crontab(5) of Debian has them; cronsim computes the moments. What comes
of each change of clocks is in docs/explanation/schedules.md.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5
MAX_CRON_LENGTH = 200
# Where the last moment before now is looked for: the nearest first, so that a job of
# every minute that was away for a year costs no half million steps.
WINDOWS = tuple(timedelta(hours=hours) for hours in (1, 24, 32 * 24, 400 * 24))


class NotCron(ValueError):
    """A text is no cron expression, or one that never runs."""


class UnknownZone(ValueError):
    """The system's database has no time zone of that name."""


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownZone(name) from error


class Cron:
    """A cron expression, as people of one time zone mean it; moments are UTC."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        """Raises NotCron."""
        self.text, self.zone = text, zone
        if len(text.split()) != FIELDS or len(text) > MAX_CRON_LENGTH:
            raise NotCron(text)
        try:
            CronSim(text, datetime(2000, 1, 1, tzinfo=zone))
        except (CronSimError, AssertionError) as error:
            raise NotCron(text) from error

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments later than this one, each once and in order."""
        last = moment
        for local in CronSim(self.text, moment.astimezone(self.zone)):
            # Beginning in the hour that comes twice, cronsim tells of its first coming,
            # which may be over.
            if (found := local.astimezone(UTC)) > last:
                yield found
                last = found

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the next moment; None where there is none within 50 years."""
        return next(self.after(moment), None)

    def next_runs(self, moment: datetime, count: int) -> list[datetime]:
        return list(islice(self.after(moment), count))

    def latest(self, first: datetime, now: datetime) -> datetime:
        """Return the last moment until now, where ``first`` is the earliest."""
        for window in WINDOWS:
            since = max(first, now - window)
            if found := self._last_between(since, now):
                return found
            if since == first:
                return first
        return self._last_between(first, now) or first

    def _last_between(self, since: datetime, until: datetime) -> datetime | None:
        found = None
        for moment in self.after(since):
            if moment > until:
                break
            found = moment
        return found


@lru_cache(maxsize=4096)
def cron_of(text: str, zone_name: str) -> Cron:
    """Return an expression in a zone. Raises NotCron and UnknownZone."""
    cron = Cron(text, zone_named(zone_name))
    if cron.next_after(datetime.now(UTC)) is None:
        raise NotCron(text)
    return cron
