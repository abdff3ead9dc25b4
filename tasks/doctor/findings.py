"""What a check found: how it stands, in words, and what to do."""

from enum import Enum
from typing import NamedTuple


class State(Enum):
    OK = "ok"
    SKIPPED = "skipped"  # it was not looked at; the text says why
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that a check found. ``advice`` is what to do; "" where nothing is."""

    state: State
    text: str
    advice: str = ""


def ok(text: str) -> Finding:
    return Finding(State.OK, text)


def skipped(why: str) -> Finding:
    return Finding(State.SKIPPED, why)


def warning(text: str, advice: str) -> Finding:
    return Finding(State.WARNING, text, advice)


def problem(text: str, advice: str) -> Finding:
    return Finding(State.PROBLEM, text, advice)
