"""What differs between two logs, with times, ids and each one's own version taken out.

The difference is found by E. W. Myers' greedy algorithm ("An O(ND) Difference
Algorithm and Its Variations", 1986, https://doi.org/10.1007/BF01840446): its time
grows with the lines and with how many of them differ, so both are bounded, and what
was left out is said.
"""

import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tasks.logs import store as log_store
from tasks.models import Task

MOST_LINES = 10_000  # of each log: the last ones, where a task's end is explained
MOST_BYTES = 2 * 1024 * 1024  # of each log, too
MOST_EDITS = 1_000  # lines that only one of them has
CONTEXT_LINES = 3
ROWS_OF_A_PART = 50
OPENED_LINES = 100  # of a gap, from both of its ends

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
DAY = r"\d{4}-\d\d-\d\d"
CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
ZONE = r"(?:Z|[+-]\d\d:?\d\d)?"
NUMBER = r"\d+(?:\.\d+)?"
UNITS = r"(?:ms|µs|us|ns|s|secs?|seconds?|min|mins|minutes?|h|hours?)"
CHANGING = re.compile(
    rf"(?P<id>{UUID})"
    rf"|{DAY}(?:[T ]{CLOCK}{ZONE})?"
    rf"|\b{CLOCK}"
    rf"|\b(?:\d+ ?h )?\d+ ?m \d+ ?s\b"
    rf"|\b{NUMBER} ?{UNITS}\b",
    re.IGNORECASE,
)


class Line(NamedTuple):
    seq: int
    message: str


class Shown(NamedTuple):
    """A line of the difference: of both logs, or of one of them; or, where it has a
    ``gap``, so many lines that are the same, the first of which it names."""

    a: int | None = None
    b: int | None = None
    text: str = ""
    gap: int = 0

    @property
    def side(self) -> str:
        if self.gap or (self.a and self.b):
            return ""
        return "a" if self.a else "b"

    @property
    def sign(self) -> str:
        return {"a": "−", "b": "+"}.get(self.side, "")


@dataclass(frozen=True)
class Difference:
    """``left_out``: lines of each log before the first that was compared; ``given_up``:
    those behind the last, because too many differ."""

    lines: Sequence[Shown]
    only_a: int
    only_b: int
    left_out: tuple[int, int]
    given_up: tuple[int, int]

    @property
    def parts(self) -> list[Sequence[Shown]]:
        """Return the lines in parts, of which a browser draws those in sight."""
        starts = range(0, len(self.lines), ROWS_OF_A_PART)
        return [self.lines[start : start + ROWS_OF_A_PART] for start in starts]

    @property
    def is_none(self) -> bool:
        return not (self.only_a or self.only_b or any(self.given_up))


def difference_of(a: Task, b: Task, opened: Collection[int] = ()) -> Difference:
    """Between the logs of two tasks, as they are now; ``opened`` are the first lines,
    as ``a`` has them, of gaps whose lines are wanted."""
    logs = _newest(a), _newest(b)
    left_out = a.last_seq - len(logs[0]), b.last_seq - len(logs[1])
    own = _own(a), _own(b)
    return difference(*logs, own=own, left_out=left_out, opened=opened)


def _own(task: Task) -> dict[str, str]:
    """Return what a log says only because it is this task's."""
    own = {str(task.pk): "⟨id⟩", str(task.pk)[:8]: "⟨id⟩"}
    return {**own, task.version: "⟨version⟩"} if task.version else own


def _newest(task: Task) -> list[Line]:
    rows = log_store.newest_rows(task.pk, task.last_seq, MOST_LINES, MOST_BYTES)
    return [Line(seq, message) for seq, _at, _level, message in rows]


def difference(
    a: Sequence[Line],
    b: Sequence[Line],
    *,
    own: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    left_out: tuple[int, int] = (0, 0),
    most_edits: int = MOST_EDITS,
    opened: Collection[int] = (),
) -> Difference:
    numbers: dict[str, int] = {}

    def numbered(lines: Sequence[Line], own: Mapping[str, str]) -> list[int]:
        plain = (without_changing(line.message, own) for line in lines)
        return [numbers.setdefault(text, len(numbers)) for text in plain]

    places = _matches(numbered(a, own[0]), numbered(b, own[1]), most_edits)
    pairs, (end_a, end_b) = places
    rows = list(_rows(a[:end_a], b[:end_b], pairs))
    return Difference(
        lines=list(_with_context(rows, opened)),
        only_a=sum(row.side == "a" for row in rows),
        only_b=sum(row.side == "b" for row in rows),
        left_out=left_out,
        given_up=(len(a) - end_a, len(b) - end_b),
    )


def without_changing(message: str, own: Mapping[str, str] | None = None) -> str:
    """A message with a mark in place of each time, duration and id, and of what is the
    task's own."""
    for word, mark in (own or {}).items():
        if word in message:
            message = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", mark, message)
    return CHANGING.sub(lambda m: "⟨id⟩" if m["id"] else "⟨time⟩", message)


# --- Which lines belong together ----------------------------------------------------


def _matches(
    a: Sequence[int], b: Sequence[int], most_edits: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Places in both that are the same, ascending, and up to where that was found out:
    the ends, or less where there are more edits than may be."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    head = [(n, n) for n in range(start)]
    middle, (x, y) = _between(
        a[start : len(a) - end], b[start : len(b) - end], most_edits
    )
    inner = [(start + x, start + y) for x, y in middle]
    stop = start + x, start + y
    if stop != (len(a) - end, len(b) - end):
        return head + inner, stop
    tail = [(len(a) - n, len(b) - n) for n in range(end, 0, -1)]
    return head + inner + tail, (len(a), len(b))


def _between(
    a: Sequence[int], b: Sequence[int], most_edits: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """As ``_matches``, for logs whose ends differ.

    A line that only one log has is an edit in any case. The search, whose time grows
    with the square of the edits, is for the other lines alone, as in GNU diff: of two
    logs with nothing in common it took 0.33 s with them."""
    common = {*a} & {*b}
    at_a = [x for x, number in enumerate(a) if number in common]
    at_b = [y for y, number in enumerate(b) if number in common]
    pairs, (x, y) = _greedy([a[x] for x in at_a], [b[y] for y in at_b], most_edits)
    stop = [*at_a, len(a)][x], [*at_b, len(b)][y]
    return _cut_off([(at_a[x], at_b[y]) for x, y in pairs], stop, most_edits)


def _cut_off(
    pairs: Sequence[tuple[int, int]], stop: tuple[int, int], most_edits: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return the pairs, and where to stop, before there are more edits than may be."""
    x = y = 0
    left = most_edits
    for count, (to_x, to_y) in enumerate([*pairs, stop]):
        from_a = min(to_x - x, left)
        from_b = min(to_y - y, left - from_a)
        if (x + from_a, y + from_b) != (to_x, to_y):
            return [*pairs[:count]], (x + from_a, y + from_b)
        left -= from_a + from_b
        x, y = to_x + 1, to_y + 1
    return [*pairs], stop


def _greedy(
    a: Sequence[int], b: Sequence[int], most_edits: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Myers' algorithm. ``reach[k]`` is how far in ``a`` one gets on the diagonal
    ``k = x - y`` by so many edits; each round's is kept, to walk back on."""
    rounds: list[array[int]] = []
    offset = most_edits + 1
    reach = array("i", bytes(4 * (2 * offset + 1)))
    for edits in range(most_edits + 1):
        for k in range(-edits, edits + 1, 2):
            left, right = reach[offset + k - 1], reach[offset + k + 1]
            down = k == -edits or (k != edits and left < right)
            x = right if down else left + 1
            y = x - k
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            reach[offset + k] = x
            if x >= len(a) and y >= len(b):
                rounds.append(reach[offset - edits : offset + edits + 1])
                return _walk_back(rounds, edits, k), (len(a), len(b))
        rounds.append(reach[offset - edits : offset + edits + 1])
    # As far as most of both was seen, and inside both.
    last = rounds[-1]
    _far, k = max(
        (2 * last[most_edits + k] - k, k)
        for k in range(-most_edits, most_edits + 1, 2)
        if last[most_edits + k] <= len(a) and last[most_edits + k] - k <= len(b)
    )
    x = last[most_edits + k]
    return _walk_back(rounds, most_edits, k), (x, x - k)


def _walk_back(
    rounds: Sequence["array[int]"], edits: int, k: int
) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    x = rounds[edits][edits + k]
    for number in range(edits, -1, -1):
        if number == 0:
            begin = 0
        else:
            before, middle = rounds[number - 1], number - 1
            left = before[middle + k - 1] if k > -number + 1 else -1
            right = before[middle + k + 1] if k < number - 1 else -1
            down = k == -number or (k != number and left < right)
            begin = right if down else left + 1
        pairs += [(at, at - k) for at in range(x - 1, begin - 1, -1)]
        if number:
            k, x = (k + 1, right) if down else (k - 1, left)
    return pairs[::-1]


# --- What is shown ------------------------------------------------------------------


def _rows(
    a: Sequence[Line], b: Sequence[Line], pairs: Iterable[tuple[int, int]]
) -> Iterator[Shown]:
    x = y = 0
    for to_x, to_y in [*pairs, (len(a), len(b))]:
        yield from (Shown(a=line.seq, text=line.message) for line in a[x:to_x])
        yield from (Shown(b=line.seq, text=line.message) for line in b[y:to_y])
        if to_x < len(a) and to_y < len(b):
            yield Shown(a[to_x].seq, b[to_y].seq, b[to_y].message)
        x, y = to_x + 1, to_y + 1


def _with_context(rows: Sequence[Shown], opened: Collection[int]) -> Iterator[Shown]:
    """The rows around what differs; what is between as gaps."""
    near: set[int] = set()
    for place, row in enumerate(rows):
        if row.side:
            near.update(range(place - CONTEXT_LINES, place + CONTEXT_LINES + 1))
    if not near:
        return
    for is_far, places in groupby(range(len(rows)), lambda place: place not in near):
        part = [rows[place] for place in places]
        yield from _gap(part, opened) if is_far else part


def _gap(rows: Sequence[Shown], opened: Collection[int]) -> Iterator[Shown]:
    """Rows that are the same as a gap; of one that was opened those at its ends, and
    what is still between them as a gap of its own."""
    if not rows:
        return
    first = rows[0]
    if first.a not in opened:
        yield Shown(first.a, first.b, gap=len(rows))
        return
    if len(rows) <= 2 * OPENED_LINES:
        yield from rows
        return
    yield from rows[:OPENED_LINES]
    yield from _gap(rows[OPENED_LINES:-OPENED_LINES], opened)
    yield from rows[-OPENED_LINES:]
