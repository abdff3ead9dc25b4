"""Patterns that people write: as Python's own, but within a time limit."""

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog.patterns import (
    PatternError,
    TooSlow,
    compiled,
    found_in,
    matches_whole,
)
from tasks.catalog.task_type import Parameter, ParameterErrors, TaskType

ENDLESS = r"(a|aa)+$"
LONG = "a" * 100 + "!"
PATTERNS = [
    *("v[0-9]+", "(?:beta|live)", "[a-z]{2,3}(-[A-Z]{2})?", r"\d+(\.\d+)*"),
    *("(a|ab)(c|bcd)*", "a*", r"(?i)x\w+", ".*"),
]


@given(st.sampled_from(PATTERNS), st.text(alphabet="abcdvxAB019.-\n", max_size=8))
def test_a_value_fits_exactly_where_python_s_own_says_so(pattern, text):
    assert matches_whole(pattern, text) == bool(re.fullmatch(pattern, text))


def test_what_takes_too_long_is_given_up_and_holds_up_nobody():
    gaps, ended = [], threading.Event()

    def tick():
        last = time.monotonic()
        while not ended.is_set():
            time.sleep(0.001)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    other = threading.Thread(target=tick)
    other.start()
    try:
        with pytest.raises(TooSlow):
            matches_whole(ENDLESS, LONG)
    finally:
        ended.set()
        other.join()
    assert len(gaps) > 100, "another thread hardly ran"


def test_a_line_that_takes_too_long_is_given_up():
    with pytest.raises(TooSlow):
        list(found_in(compiled(ENDLESS), LONG))


@pytest.mark.parametrize("text", ["(", "[a", "*", "(?P<1>x)", r"\p{L}+"])
def test_what_python_does_not_take_for_a_pattern_is_refused(text):
    with pytest.raises(PatternError):
        compiled(text)


def test_a_value_that_takes_too_long_is_refused_with_the_reason():
    kind = TaskType("job", "Job", "", (Parameter("text", "Text", ENDLESS),), ())
    with pytest.raises(ParameterErrors) as error:
        kind.validated({"text": LONG})
    assert error.value.errors == {
        "text": [
            f"It could not be compared with the pattern {ENDLESS} in 1 s; give a "
            "simpler value."
        ]
    }


@pytest.mark.django_db
def test_the_api_answers_400_to_such_a_value(use_task_types, program):
    use_task_types(
        f"[job]\n[job.params.text]\npattern = '{ENDLESS}'\n"
        "[[job.steps]]\ncommand = ['true']\n"
    )
    answer = program.post(
        "/api/tasks/job", {"text": LONG}, content_type="application/json"
    )
    assert answer.status_code == 400
    assert "could not be compared" in answer.json()["errors"]["text"][0]
