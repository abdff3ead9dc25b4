"""When cron expressions are due, on ordinary days and where clocks change.

The table of docs/explanation/schedules.md, line by line.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tasks.catalog.cron import Cron, NotCron, UnknownZone, cron_of, zone_named

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(cron, zone, since, until):
    """The moments of an expression in (since, until], as UTC without the date."""
    found = Cron(cron, ZoneInfo(zone)).after(utc(since))
    moments = []
    for moment in found:
        if moment > utc(until):
            return moments
        moments.append(f"{moment:%d %H:%M}")
    return moments


# Which night, an expression, and when it runs in that night (UTC).
NIGHTS = [
    # Berlin, forward: 02:00 CET (01:00 UTC) is 03:00 CEST
    ("berlin-forward-0230", BERLIN, "30 2 * * *", "2026-03-28T22:00", ["29 01:00"]),
    ("berlin-forward-0300", BERLIN, "0 3 * * *", "2026-03-28T22:00", ["29 01:00"]),
    (
        *("berlin-forward-hourly", BERLIN, "0 * * * *", "2026-03-28T22:30"),
        ["28 23:00", "29 00:00", "29 01:00", "29 02:00", "29 03:00"],
    ),
    # Berlin, back: 03:00 CEST (01:00 UTC) is 02:00 CET
    ("berlin-back-0230", BERLIN, "30 2 * * *", "2026-10-24T22:30", ["25 00:30"]),
    (
        *("berlin-back-hourly", BERLIN, "0 * * * *", "2026-10-24T22:30"),
        ["24 23:00", "25 00:00", "25 01:00", "25 02:00", "25 03:00"],
    ),
    ("berlin-back-0300", BERLIN, "0 3 * * *", "2026-10-24T22:30", ["25 02:00"]),
    # New York, forward: 02:00 EST (07:00 UTC) is 03:00 EDT
    ("york-forward-0230", NEW_YORK, "30 2 * * *", "2026-03-08T05:00", ["08 07:00"]),
    (
        *("york-forward-hourly", NEW_YORK, "0 * * * *", "2026-03-08T05:30"),
        ["08 06:00", "08 07:00", "08 08:00", "08 09:00", "08 10:00"],
    ),
    # New York, back: 02:00 EDT (06:00 UTC) is 01:00 EST
    ("york-back-0130", NEW_YORK, "30 1 * * *", "2026-11-01T04:00", ["01 05:30"]),
    ("york-back-0230", NEW_YORK, "30 2 * * *", "2026-11-01T04:00", ["01 07:30"]),
    (
        *("york-back-hourly", NEW_YORK, "0 * * * *", "2026-11-01T04:30"),
        ["01 05:00", "01 06:00", "01 07:00", "01 08:00", "01 09:00"],
    ),
    # Lord Howe, forward by thirty minutes: 02:00 (15:30 UTC) is 02:30
    ("howe-forward-0215", LORD_HOWE, "15 2 * * *", "2026-10-03T13:00", ["03 15:30"]),
    ("howe-forward-0230", LORD_HOWE, "30 2 * * *", "2026-10-03T13:00", ["03 15:30"]),
    (
        *("howe-forward-hourly", LORD_HOWE, "0 * * * *", "2026-10-03T13:00"),
        ["03 13:30", "03 14:30", "03 16:00", "03 17:00", "03 18:00"],
    ),
    # Lord Howe, back: 02:00 (15:00 UTC) is 01:30
    ("howe-back-0145", LORD_HOWE, "45 1 * * *", "2026-04-04T13:00", ["04 14:45"]),
    ("howe-back-0200", LORD_HOWE, "0 2 * * *", "2026-04-04T13:00", ["04 15:30"]),
    (
        *("howe-back-half-hours", LORD_HOWE, "*/30 * * * *", "2026-04-04T13:45"),
        [
            *("04 14:00", "04 14:30", "04 15:00", "04 15:30", "04 16:00", "04 16:30"),
            *("04 17:00", "04 17:30", "04 18:00", "04 18:30"),
        ],
    ),
]


@pytest.mark.parametrize(
    ("zone", "cron", "since", "expected"),
    [night[1:] for night in NIGHTS],
    ids=[night[0] for night in NIGHTS],
)
def test_the_nights_when_clocks_change(zone, cron, since, expected):
    until = (utc(since) + timedelta(hours=5)).isoformat()[:16]
    assert between(cron, zone, since, until) == expected


@pytest.mark.parametrize("minutes", range(0, 300, 7))
@pytest.mark.parametrize("zone", [BERLIN, LORD_HOWE])
def test_whoever_asks_in_the_middle_of_such_a_night_gets_no_moment_that_is_over(
    zone, minutes
):
    night = {BERLIN: "2026-10-24T22:30", LORD_HOWE: "2026-04-04T13:00"}[zone]
    moment = utc(night) + timedelta(minutes=minutes)
    for cron in ("30 2 * * *", "45 1 * * *", "0 * * * *"):
        found = Cron(cron, ZoneInfo(zone)).next_runs(moment, 3)
        assert found[0] > moment
        assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("since", "cron"),
    [("2026-11-29T09:00", "* * * * *"), ("2020-02-29T00:00", "0 0 29 2 *")],
    ids=["minutes", "leap-days"],
)
def test_the_latest_is_the_last_that_was_due(since, cron):
    now = utc("2026-11-30T10:00:30") if cron[0] == "*" else utc("2026-11-30T10:00")
    expected = "2026-11-30T10:00" if cron[0] == "*" else "2024-02-29T00:00"
    assert Cron(cron, ZoneInfo("UTC")).latest(utc(since), now) == utc(expected)


def test_the_latest_of_one_moment_is_that_moment():
    first = utc("2026-11-30T03:00")
    later = first + timedelta(hours=2)
    assert Cron("0 3 * * *", ZoneInfo("UTC")).latest(first, later) == first


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "0 0 3 * * *", "61 * * * *", "0 0 30 2 *", "@daily", "0 3 * * x"],
)
def test_what_is_no_cron_or_never_runs_is_refused(text):
    with pytest.raises(NotCron):
        cron_of(text, "UTC")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "a\0b"])
def test_a_zone_that_is_not_there_is_refused(name):
    with pytest.raises(UnknownZone):
        zone_named(name)
