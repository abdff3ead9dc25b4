"""Cron expressions in words, and what is wrong with those that are none."""

import pytest

from tasks.catalog.cron import cron_of
from tasks.presenters.schedules.words import said_cron
from tasks.schedules.wording import cron_problem, zone_problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("5 * * * *", "every hour at minute 05"),
        ("0 */6 * * *", "every 6 hours at minute 00"),
        ("0 3 * * *", "every day at 03:00"),
        ("30 5,17 * * *", "every day at 05:30, 17:30"),
        ("0 3 1 * *", "on day 1 of each month at 03:00"),
        ("0 3 * * 1-5", "Monday to Friday at 03:00"),
        ("0 3 * * MON-FRI", "Monday to Friday at 03:00"),
        ("0 3 * * 6,0", "on weekends at 03:00"),
        ("0 3 * * 6-7", "on weekends at 03:00"),
        ("0 3 * * sun", "on Sunday at 03:00"),
        ("0 3 * * 0,3", "on Wednesday, Sunday at 03:00"),
    ],
)
def test_simple_expressions_are_said_in_words(text, said):
    assert said_cron(text) == said
    cron_of(text.upper(), "UTC")  # which they are


@pytest.mark.parametrize(
    "text",
    [
        "*/7 * * * *",  # not as far apart each hour
        "0 */5 * * *",
        "0,30 3 * * *",
        "0 1,2,3,4,5 * * *",
        "0 3 1,15 * *",
        "0 3 1 * 1",  # both days count, which few people know
        "0 3 * 6 *",
        "0 3 L * *",
        "0 3 * * 1#2",
        "0 3 * * 1-3-5",
        "0-5 3 * * *",
        "*/5 3 * * *",
        "*/5 */2 * * *",
        "* */2 * * *",
        "0 * * * 1",
        "0 3 * *",
        "",
    ],
)
def test_of_others_people_read_the_expression(text):
    assert said_cron(text) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "It takes five fields (minute, hour, day of the month, month, day of"),
        ("0 3 * *", "these are 4."),
        ("0 0 3 * * *", "these are 6."),
        ("60 3 * * *", "The minute “60” is none: it takes 0–59"),
        ("0 24 * * *", "The hour “24” is none: it takes 0–23"),
        ("0 3 32 * *", "The day of the month “32” is none: it takes 1–31, L"),
        ("0 3 * 13 *", "The month “13” is none: it takes 1–12, JAN–DEC"),
        ("0 3 * * 8", "The day of the week “8” is none: it takes 0–7, SUN–SAT"),
        ("0 3 * * FRIDAY", "The day of the week “FRIDAY” is none"),
        ("0 3 30 2 *", "No day is like this, so it would never run."),
    ],
)
def test_the_field_that_is_wrong_is_named(text, says):
    assert says in cron_problem(text)


@pytest.mark.parametrize("text", ["0 3 * * *", "  */5  * * * MON-FRI ", "0 0 29 2 *"])
def test_nothing_is_wrong_with_others(text):
    assert cron_problem(text) == ""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Berln", "Did you mean Europe/Berlin"),
        ("berlin", "Did you mean Europe/Berlin"),
        ("new york", "Did you mean America/New_York"),
        ("Beijing Time", "Use one such as Europe/Berlin, Asia/Shanghai, UTC."),
        ("../../etc/passwd", "There is no time zone “../../etc/passwd”."),
        ("", "There is no time zone “”."),
    ],
)
def test_of_an_unknown_zone_those_are_named_that_are_nearly_called_so(name, says):
    assert says in zone_problem(name)


def test_a_known_zone_is_no_problem():
    assert zone_problem("Australia/Lord_Howe") == ""
