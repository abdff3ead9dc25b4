"""Regular expressions that people write, matched within a time limit.

Some patterns take exponential time for some texts. Python's own ``re`` can't be
stopped, and nothing else of the process runs meanwhile; ``regex`` takes a limit of
processor time and lets others run.
https://github.com/mrabarnett/mrab-regex#timeout
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import regex

# As if they were Python's own, which regex's are but for the limit.
Pattern = re.Pattern[str]
Match = re.Match[str]
PatternError = re.error
VALUE_SECONDS = 1.0  # for a parameter's value
LINE_SECONDS = 0.1  # for a line of output: the runner's other tasks wait


class TooSlow(Exception):
    """A text was not compared with a pattern within the limit."""


def compiled(text: str) -> Pattern:
    """Return a pattern. Raises PatternError; what Python's own syntax does not allow
    is refused, so that the dialect is the documented one."""
    re.compile(text)
    try:
        pattern: Pattern = regex.compile(text)
    except regex.error as error:
        raise PatternError(str(error)) from error
    return pattern


def matches_whole(pattern: str, text: str) -> bool:
    """Return whether a text is all of what a pattern describes. Raises TooSlow."""
    found = _in_time(regex.compile(pattern).fullmatch, text, VALUE_SECONDS)
    return found is not None


def found_in(pattern: Pattern, line: str) -> Iterator[Match]:
    """Yield each match of a pattern in a line. Raises TooSlow."""
    matches: list[Match] = _in_time(
        lambda *text, **limit: list(pattern.finditer(*text, **limit)),
        line,
        LINE_SECONDS,
    )
    yield from matches


def _in_time(ask: Callable[..., Any], text: str, seconds: float) -> Any:
    try:
        return ask(text, timeout=seconds, concurrent=True)
    except TimeoutError as error:
        raise TooSlow from error
