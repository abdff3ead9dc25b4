"""What differs between two logs, with times and ids taken out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.logs.diff import (
    CONTEXT_LINES,
    MOST_LINES,
    OPENED_LINES,
    Line,
    difference,
    difference_of,
    without_changing,
)
from tests.factories import TaskFactory, write_log

pytestmark = pytest.mark.postgres


def lines(*messages):
    return [Line(seq, message) for seq, message in enumerate(messages, 1)]


def shown(found):
    return [f"{row.sign}{row.text}" for row in found.lines if row.side]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2025-11-26T10:30:01.234Z done", "at 2026-01-02T00:00:00Z done"),
        ("2025-11-26 10:30:01 start", "2026-01-02 11:31:02,5 start"),
        ("[10:30:01] x", "[9:05:59.123] x"),
        ("took 1.6 s", "took 840 ms"),
        ("took 2 m 14 s", "took 1 h 2 m 14 s"),
        ("in 3 minutes", "in 12 minutes"),
        (
            "task 6f1c2f4e-1c1f-4f6b-8c1e-2f0d7a1b3c4d",
            "task 00000000-0000-4000-8000-000000000000",
        ),
    ],
)
def test_times_and_ids_make_no_difference(one, other):
    assert without_changing(one) == without_changing(other)
    assert difference(lines(one), lines(other)).is_none


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v884", "v885"),
        ("1,245 files", "1,246 files"),
        ("12 MB", "13 MB"),
        ("exit code 3", "exit code 4"),
        ("sha256 " + "a" * 64, "sha256 " + "b" * 64),
        ("at 2025-11-26 ok", "at 2025-11-26 not ok"),
    ],
)
def test_what_is_neither_time_nor_id_makes_one(one, other):
    assert not difference(lines(one), lines(other)).is_none


def test_lines_of_one_log_alone_stand_between_some_that_are_the_same():
    same = [f"file {number}" for number in range(20)]
    a = lines(*same[:10], "missing", *same[10:])
    b = lines(*same[:10], "new", "newer", *same[10:])
    found = difference(a, b)
    assert shown(found) == ["−missing", "+new", "+newer"]
    assert (found.only_a, found.only_b) == (1, 2)
    assert [row.gap for row in found.lines if row.gap] == [10 - CONTEXT_LINES] * 2
    assert [(row.a, row.b) for row in found.lines if row.side] == [
        (11, None),
        (None, 11),
        (None, 12),
    ]


def test_a_gap_that_is_opened_shows_its_lines():
    same = [f"file {number}" for number in range(20)]
    a, b = lines(*same, "old"), lines(*same, "new")
    (gap,) = [row for row in difference(a, b).lines if row.gap]
    assert (gap.a, gap.b, gap.gap) == (1, 1, 20 - CONTEXT_LINES)
    opened = difference(a, b, opened={gap.a}).lines
    assert [row.a for row in opened] == [*range(1, 22), None]
    assert not any(row.gap for row in opened)


def test_a_long_gap_is_opened_from_both_of_its_ends():
    same = [f"file {number}" for number in range(5 * OPENED_LINES)]
    a, b = lines("old", *same), lines("new", *same)
    (gap,) = [row for row in difference(a, b).lines if row.gap]
    opened = difference(a, b, opened={gap.a}).lines
    (rest,) = [row for row in opened if row.gap]
    assert rest.gap == gap.gap - 2 * OPENED_LINES
    assert (rest.a, rest.b) == (gap.a + OPENED_LINES, gap.b + OPENED_LINES)
    wanted = set()
    while gaps := {row.a for row in difference(a, b, opened=wanted).lines if row.gap}:
        wanted |= gaps
    all_of_it = difference(a, b, opened=wanted).lines
    assert [row.a for row in all_of_it if row.a] == list(range(1, len(a) + 1))


def test_logs_that_are_the_same_have_nothing_to_show():
    found = difference(lines("a", "b"), lines("a", "b"))
    assert found.is_none
    assert found.lines == []
    assert difference([], []).is_none


words = st.lists(st.sampled_from("abcd"), max_size=12)


@given(words, words, st.sampled_from([2, 100]))
def test_both_logs_can_be_made_again_from_what_is_shown(a, b, most_edits):
    found = difference(lines(*a), lines(*b), most_edits=most_edits)
    seen_a = [row.a for row in found.lines if row.a]
    seen_b = [row.b for row in found.lines if row.b]
    for seen in (seen_a, seen_b):
        assert all(one < two for one, two in pairwise(seen))
    for row in found.lines:
        if row.gap:
            continue
        if row.a:
            assert a[row.a - 1] == row.text
        if row.b:
            assert b[row.b - 1] == row.text
    end_a, end_b = len(a) - found.given_up[0], len(b) - found.given_up[1]
    only_a = {row.a for row in found.lines if row.side == "a"}
    only_b = {row.b for row in found.lines if row.side == "b"}
    rest_a = [text for seq, text in enumerate(a[:end_a], 1) if seq not in only_a]
    rest_b = [text for seq, text in enumerate(b[:end_b], 1) if seq not in only_b]
    assert rest_a == rest_b
    assert found.only_a + found.only_b <= most_edits


@given(words, words)
def test_no_shorter_difference_is_to_be_had(a, b):
    found = difference(lines(*a), lines(*b))
    assert found.only_a + found.only_b == len(a) + len(b) - 2 * common(a, b)


def common(a, b):
    """The length of the longest common subsequence, the slow and plain way."""
    above = [0] * (len(b) + 1)
    for one in a:
        row = [0]
        for place, other in enumerate(b):
            longer = above[place] + 1 if one == other else 0
            row.append(max(longer, above[place + 1], row[-1]))
        above = row
    return above[-1]


def test_logs_that_differ_in_too_much_are_given_up_and_that_is_known():
    a = lines(*(f"a{number}" for number in range(50)))
    b = lines(*(f"b{number}" for number in range(50)))
    found = difference(a, b, most_edits=10)
    assert found.only_a + found.only_b == 10
    assert sum(found.given_up) == 90
    assert not found.is_none


@pytest.mark.django_db
def test_of_long_logs_the_ends_are_compared(django_assert_num_queries):
    a, b = TaskFactory(), TaskFactory()
    many = [f"line {number}" for number in range(MOST_LINES + 5)]
    write_log(a, *many)
    write_log(b, *many[10:], "and one more")
    with django_assert_num_queries(2):
        found = difference_of(a, b)
    assert found.left_out == (5, 0)
    assert (found.only_a, found.only_b) == (5, 1)
    assert shown(found)[-1] == "+and one more"


@pytest.mark.django_db
def test_a_tasks_own_id_and_version_make_no_difference():
    a, b = TaskFactory(version="v884"), TaskFactory(version="v885")
    for task in (a, b):
        short = str(task.pk)[:8]
        write_log(task, f"I am {task.pk}", f"or {short}", f"check {task.version}: ok")
    assert difference_of(a, b).is_none
    write_log(b, "v8851 is another")
    write_log(a, "v8841 is another")
    assert not difference_of(a, b).is_none
