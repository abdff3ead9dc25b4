"""The ribbon: what was live when on a platform, as a strip."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.template.loader import render_to_string

from tasks.presenters.ribbon import DAYS, LABEL_DAYS, Window, ribbon_of, ribbons
from tasks.release_history import History, histories_within
from tests.factories import TaskFactory
from tests.tasks.served import forget_readings, hanging, served, write_pointers

NOW = datetime(2025, 11, 26, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(NOW - 10 * DAY, NOW)


@pytest.fixture
def draw(store):
    """Draws what was served: versions with how many days ago each began."""

    def draw(*moves):
        pointers = [
            served(version, None if ago is None else NOW - ago * DAY)
            for version, ago in moves
        ]
        write_pointers(store, "ios", *pointers)
        forget_readings()
        history = histories_within(2, ["ios"])["ios"]
        return ribbon_of(history, WINDOW, {}, NOW)

    return draw


def places(ribbon):
    return [
        (each.row.span.version, round(each.begin, 1), round(each.end, 1))
        for each in ribbon.segments
    ]


def shown(ribbon):
    return render_to_string("ribbon.html", {"ribbon": ribbon})


def test_each_version_is_as_wide_as_it_was_live(draw):
    ribbon = draw(("v1", 8), ("v2", 5), ("v3", 1))
    assert places(ribbon) == [("v3", 90, 100), ("v2", 50, 90), ("v1", 20, 50)]
    assert [each.tone for each in ribbon.segments] == ["live", "even", "odd"]


def test_what_began_before_begins_with_the_ribbon_and_what_ended_before_is_left_out(
    draw,
):
    ribbon = draw(("v1", 30), ("v2", 20), ("v3", 2))
    assert places(ribbon) == [("v3", 80, 100), ("v2", 0, 80)]


def test_greys_take_turns_and_stay_with_their_versions(draw):
    before = draw(("v1", 8), ("v2", 5), ("v3", 1))
    again = draw(("v1", 12), ("v2", 5), ("v3", 3), ("v4", 1))
    tones = {each.row.span.version: each.tone for each in before.segments}
    later = {each.row.span.version: each.tone for each in again.segments}
    assert tones["v2"] == later["v2"]


def test_a_rollback_has_a_mark_where_it_began(draw):
    ribbon = draw(("v1", 12), ("v2", 8), ("v1", 5), ("v3", 1))
    assert [(n, segment.x) for n, segment in ribbon.marks] == [(1, "50.000%")]
    assert shown(ribbon).count("ribbon-mark") == 1
    assert "Rolled back · v1: 2025-11-21 12:00 to 2025-11-25 12:00 UTC" in shown(ribbon)


def test_a_rollback_before_the_ribbon_has_none(draw):
    assert draw(("v1", 30), ("v2", 20), ("v1", 15)).marks == []


def test_what_was_live_for_minutes_is_seen_too_and_does_not_hide_what_is_live(draw):
    ribbon = draw(("v1", 5), ("v2", 0.02), ("v3", 0.01))
    live, brief, wide = ribbon.segments
    assert (brief.width, live.width) == ("3", "0.800%")
    assert float(brief.x[:-1]) < float(live.x[:-1]) < 100
    assert not wide.is_brief
    assert [segment for _, segment in ribbon.drawn][-1] is brief


def test_what_has_no_known_beginning_begins_with_the_ribbon_and_says_so(draw):
    ribbon = draw(("v1", None), ("v2", 4))
    assert places(ribbon) == [("v2", 60, 100), ("v1", 0, 60)]
    assert shown(ribbon).count("data-unknown") == 1
    assert "v1: until 2025-11-22 12:00 UTC" in shown(ribbon)


def test_what_nobody_knows_the_end_of_is_not_drawn(draw):
    ribbon = draw(("v1", 5), ("v2", None), ("v3", None))
    assert places(ribbon) == [("v3", 0.0, 100.0)]  # it is live, and so goes on


def test_clocks_that_disagree_draw_nothing_backwards(draw):
    ribbon = draw(("v1", 5), ("v2", 2), ("v3", 3))
    assert all(each.begin <= each.end for each in ribbon.segments)


@pytest.mark.django_db
def test_a_segment_says_version_times_duration_task_and_person(draw):
    task = TaskFactory(type="full-sync", created_by="carol")
    ribbon = draw(("v1", 3.5), ("v2", 1))
    (live, before) = ribbon.segments
    assert live.row.said == "v2: live since 2025-11-25 12:00 UTC (1 d 0 h)"
    row = before.row
    assert row.said == "v1: 2025-11-23 00:00 to 2025-11-25 12:00 UTC (2 d 12 h)"
    history = histories_within(2, ["ios"])["ios"]
    spans = tuple(replace(span, task_id=str(task.pk)) for span in history.spans)
    tasks = {str(task.pk): task}
    named = ribbon_of(History("ios", spans, None), WINDOW, tasks, NOW)
    assert named.segments[0].row.said.endswith(" · Full sync · carol")


@pytest.mark.django_db
def test_a_segment_leads_to_its_task_where_that_is_kept(draw):
    task = TaskFactory(type="full-sync")
    draw(("v1", 8), ("v2", 5))
    history = histories_within(2, ["ios"])["ios"]
    new, old = history.spans
    spans = (replace(new, task_id=str(task.pk)), old)
    ribbon = ribbon_of(History("ios", spans, None), WINDOW, {str(task.pk): task}, NOW)
    assert [segment.url for segment in ribbon.segments] == [f"/tasks/{task.pk}", ""]
    picture, listed = shown(ribbon).split("<ol")
    # The picture's links are for the pointer alone.
    assert f'<a href="/tasks/{task.pk}" tabindex="-1">' in picture
    assert listed.count("<a ") == 1
    assert f'<a href="/tasks/{task.pk}">' in listed


def test_it_can_be_read_as_a_list_without_the_picture(draw):
    html = shown(draw(("v1", 8), ("v2", 5), ("v1", 1)))
    assert re.search(r"<svg[^>]*aria-hidden", html)
    items = html.split("<ol")[1].split("<li>")[1:]
    words = [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in items]
    assert words[0].startswith("v1 live Rolled back 11-25 12:00 – now")
    assert words[1].startswith("v2 11-21 12:00 – 11-25 12:00 4 d 0 h")
    assert "Live versions of iOS in the last 10 days" in html


def test_a_missing_ribbon_keeps_its_place():
    html = shown(None)
    assert 'class="ribbon"' in html
    assert "<svg" not in html


@pytest.mark.parametrize("days", LABEL_DAYS)
def test_dates_are_the_same_ones_a_day_later_and_stand_apart(days):
    at = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)  # months end within each
    ribbon = ribbon_of(History("ios", (), None), Window.ending(at, days), {}, at)
    later = Window.ending(at + DAY, days)
    dated = {tick.day: tick.room for tick in ribbon.ticks if tick.room}
    again = ribbon_of(History("ios", (), None), later, {}, at)
    both = {tick.day: tick.room for tick in again.ticks if tick.day in dated}
    assert {day: dated[day] for day in both} == both
    few = [tick.place for tick in ribbon.ticks if tick.room == "little"]
    apart = [b - a for a, b in pairwise(few)]
    assert max(apart) == pytest.approx(min(apart))
    assert min(apart) * 260 / 100 >= 60  # pixels at the narrowest


def test_the_ribbon_seldom_changes_by_itself():
    windows = {Window.ending(NOW + timedelta(seconds=s), 14) for s in range(0, 600, 7)}
    assert len(windows) == 1


@pytest.mark.django_db
def test_each_platform_that_published_something_has_one(store):
    assert ribbons() == {}
    write_pointers(store, "android", served("v885", datetime.now(UTC)))
    write_pointers(store, "ios", served("v885"))
    (store / "ios/current.json").write_bytes(b"{")
    forget_readings()
    found = ribbons()
    assert list(found) == ["android"]
    assert found["android"].window.days == DAYS


@pytest.mark.django_db
def test_a_store_that_hangs_has_none_and_holds_nobody_up(store):
    with hanging(store / "ios/current.json"):
        assert ribbons() == {}
