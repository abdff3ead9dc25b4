"""Checks run beside each other, each within its time; silence is no success."""

import threading
import time

import pytest

from tasks.doctor.examination import Examined, Part, counts_of, examine, exit_code_of
from tasks.doctor.findings import State, ok, problem, skipped, warning

pytestmark = pytest.mark.django_db(transaction=True)


def examined(**parts):
    return {one.name: one.findings for one in examine(parts, "en")}


def test_a_check_that_hangs_is_named_after_its_time_with_what_it_had_found():
    forever = threading.Event()

    def hangs():
        yield ok("so far")
        forever.wait(60)

    began = time.monotonic()
    found = examined(slow=Part(hangs, seconds=0.3), quick=Part(lambda: [ok("done")]))
    forever.set()
    assert time.monotonic() - began < 30
    assert [one.state for one in found["slow"]] == [State.OK, State.PROBLEM]
    assert "did not end within" in found["slow"][1].text
    assert found["quick"] == [ok("done")]


def test_a_check_that_fails_is_a_problem_and_the_others_go_on(caplog):
    def fails():
        raise ZeroDivisionError("of all things")

    found = examined(broken=Part(fails), other=Part(lambda: [ok("done")]))
    (broken,) = found["broken"]
    assert broken.state is State.PROBLEM
    assert "ZeroDivisionError: of all things" in broken.text
    assert broken.advice
    assert found["other"] == [ok("done")]
    assert "A check of the doctor failed." in caplog.text


def test_a_check_that_finds_nothing_says_so():
    (finding,) = examined(empty=Part(list))["empty"]
    assert finding == skipped("There was nothing to look at.")


def test_without_a_database_nothing_that_needs_it_is_begun():
    begun = []
    found = examined(
        database=Part(lambda: [problem("it is away", "start it")]),
        tables=Part(lambda: begun.append(1) or [ok("there")], needs_database=True),
        disk=Part(lambda: [ok("room")]),
    )
    assert begun == []
    assert found["tables"] == [skipped("The database does not answer.")]
    assert found["disk"] == [ok("room")]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([ok("a"), skipped("b")], 0),
        ([ok("a"), warning("b", "c")], 1),
        ([warning("b", "c")], 1),
        ([ok("a"), warning("b", "c"), problem("d", "e")], 2),
        ([skipped("b")], 2),
        ([], 2),
    ],
)
def test_the_exit_code_says_the_worst_and_nothing_looked_at_is_no_success(
    findings, code
):
    assert exit_code_of(counts_of([Examined("x", findings)])) == code
