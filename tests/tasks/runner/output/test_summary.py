"""The Markdown that steps write: joined, within its limit, cut at a line."""

from tasks.runner.output.summary import MOST_BYTES, Summary


def test_what_is_added_begins_a_line():
    summary = Summary()
    for text in ("# v885", "", "fine\nindeed"):
        assert not summary.add(text)
    assert summary.text == "# v885\n\nfine\nindeed"
    assert summary.size_bytes == len(summary.text)


def test_a_summary_may_have_exactly_its_limit():
    summary = Summary()
    assert not summary.add("版" * (MOST_BYTES // 3))
    assert not summary.is_cut
    assert summary.size_bytes == len(summary.text.encode()) == MOST_BYTES - 1
    assert not summary.add("")
    assert summary.size_bytes == len(summary.text.encode()) == MOST_BYTES
    assert summary.add("")


def test_what_is_beyond_the_limit_is_cut_at_a_line_and_told_once():
    summary = Summary()
    line = "| 版本 | 885 |"
    assert summary.add("\n".join([line] * 6_000))
    assert set(summary.text.split("\n")) == {line}
    assert MOST_BYTES - len(line.encode()) - 1 <= summary.size_bytes <= MOST_BYTES
    before = summary.text
    assert not summary.add("more")
    assert summary.text == before


def test_a_single_line_that_is_too_long_leaves_what_was_before_it():
    summary = Summary()
    summary.add("# v885")
    assert summary.add("x" * MOST_BYTES)
    assert summary.text == "# v885"


def test_of_a_text_that_was_cut_already_the_last_line_is_left_out():
    summary = Summary()
    assert summary.add("whole\nhalf an esc%0", is_whole=False)
    assert summary.text == "whole"
    assert summary.is_cut


def test_a_step_that_is_tried_again_writes_its_part_anew():
    summary = Summary()
    summary.begin_step(again=False)
    summary.add("first step")
    summary.begin_step(again=False)
    summary.add("3 files failed\n" + "x" * MOST_BYTES)
    changes = summary.changes
    summary.begin_step(again=True)
    assert (summary.text, summary.is_cut) == ("first step", False)
    assert summary.changes > changes
    summary.begin_step(again=True)
    assert summary.changes == changes + 1
    summary.add("all fine")
    assert summary.text == "first step\nall fine"
    assert summary.size_bytes == len(summary.text)


def test_many_small_ones_cost_no_time_each():
    """Joining all of it for each would take minutes."""
    summary = Summary()
    for _ in range(200_000):
        summary.add("")
    assert summary.is_cut
    assert summary.size_bytes == MOST_BYTES
