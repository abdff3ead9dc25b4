"""The lines of an export: rows of plain text, in blocks that a browser lays out one by
one, so that a million of them open in seconds."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from tasks.logs.store import WALK_BYTES, Row, rows_within
from tasks.models import LogLine, Task
from tasks.presenters.export.pictures import pictured

BLOCK_LINES = 500
BLOCK_CHARACTERS = 128 * 1024
LEVEL_WIDTH = max(map(len, LogLine.Level.values))
# A row of its own face, by an element with a name of one letter.
FACES = {"error": "b", "warning": "em", "info": "i", "success": "i"}


class Rows:
    """How the rows of one log are written: ``NUMBER  TIME  LEVEL    MESSAGE``."""

    def __init__(self, task: Task) -> None:
        self.number_width = len(str(task.last_seq))
        start, end = task.started_at or task.created_at, task.completed_at
        is_one_day = end is not None and start.date() == end.date()
        self._second = _clock if is_one_day else _date_and_clock
        time_width = len(self._second(0)) + len(".000")
        # Behind how many characters of a row its message begins.
        self.columns = self.number_width + 2 + time_width + 2 + LEVEL_WIDTH + 2

    def html(self, row: Row) -> str:
        seq, at_ms, level, message = row
        second, ms = divmod(at_ms, 1000)
        time = f"{self._second(second)}.{ms:03}"
        written = (
            f"{seq:>{self.number_width}}  {time}  {level:<{LEVEL_WIDTH}}  "
            f"{pictured(message)}\n"
        )
        face = FACES.get(level)
        return f"<{face}>{written}</{face}>" if face else written


@lru_cache(maxsize=16)
def _clock(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%H:%M:%S}"


@lru_cache(maxsize=16)
def _date_and_clock(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def blocks(
    task: Task, rows: Rows, headings: Mapping[int, str], heading: Callable[[str], str]
) -> Iterator[str]:
    """Return the log as HTML. ``headings``: what stands above a line, by its seq."""
    block: list[str] = []
    size = 0
    for row in _stored(task):
        is_full = len(block) == BLOCK_LINES or size > BLOCK_CHARACTERS
        if block and (is_full or row[0] in headings):
            yield _block(block, is_full=is_full)
            block, size = [], 0
        if row[0] in headings:
            yield heading(headings[row[0]])
        block.append(rows.html(row))
        size += len(block[-1])
    if block:
        yield _block(block, is_full=False)


def _block(rows: list[str], *, is_full: bool) -> str:
    # How high a full one will be is known before it is laid out, about.
    start = '<pre class="full">' if is_full else "<pre>"
    return f"{start}{''.join(rows)}</pre>\n"


def _stored(task: Task) -> Iterator[Row]:
    after = 0
    while after < task.last_seq:
        found = rows_within(WALK_BYTES, task.pk, after, task.last_seq)[0]
        if not found:
            return
        yield from found
        after = found[-1][0]
