"""Lines out of the bytes that a program prints."""

import codecs
import re
import time
from collections.abc import Callable

LINE_LIMIT_BYTES = 64 * 1024
BYTES_PER_CHARACTER = 4  # at most, in UTF-8
PROMPT_SECONDS = 0.7  # of silence, after which an unfinished line is shown
# In so many looks the pipe has to be empty meanwhile. Silence is counted in looks, not
# by the clock alone: while this process was stopped or waited for the database, or the
# whole machine stood still, nobody looked.
PROMPT_LOOKS = 5
CUT_NOTE = re.compile(r" … \[cut: the line has [0-9,]+ bytes\]\Z")


class LineSplitter:
    """Splits a program's output into whole lines of clean text.

    Broken UTF-8 and NUL become U+FFFD; of a line redrawn with ``\\r`` the last state
    is kept; a line over LINE_LIMIT_BYTES is cut, saying so and how long it was.
    """

    def __init__(self, hide_cut: Callable[[str], str] = str) -> None:
        """``hide_cut``: takes secrets out of a line that is cut, half ones too: behind
        the cut nobody can see any more that it was one."""
        self._hide_cut = hide_cut
        self._rest = b""
        self._dropped = 0  # bytes of the unfinished line beyond the limit
        self._looked_at = 0.0
        self._looks = 0  # that found nothing, since the last data
        self._patience = PROMPT_SECONDS
        self._was_shown = False  # the beginning of the unfinished line

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        self.hear()
        block, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._keep(data)
            return []
        if not self._was_shown:
            return self._feed(block, rest)
        self._was_shown, self._patience = False, PROMPT_SECONDS
        lines = self._feed(block, rest)
        # Of a line that was shown whole, only its end has come.
        return lines if lines[0] else lines[1:]

    def _feed(self, block: bytes, rest: bytes) -> list[str]:
        lines = []
        if self._dropped:
            tail, _, block = (block + b"\n").partition(b"\n")
            self._dropped += len(tail)
            lines.append(self._take_rest())
            block = block[:-1] if block else b""
            if not block:
                self._keep(rest)
                return lines
        block, self._rest = self._rest + block, b""
        lines += self._clean_block(block)
        self._keep(rest)
        return lines

    def finish(self) -> list[str]:
        """Return what is left without a final newline, if anything."""
        return [self._take_rest()] if self._rest else []

    @property
    def unfinished(self) -> str:
        """The line so far, as it stands after its last ``\r``."""
        return self._clean(self._rest)

    def hear(self) -> None:
        """There is more, so the silence is over."""
        self._looked_at, self._looks = time.monotonic(), 0

    @property
    def look_at(self) -> float | None:
        """Return when (time.monotonic) to look whether nothing more has come after the
        unfinished line: it may be a question."""
        is_command = self._rest.lstrip().startswith(b"::")
        is_held = not self._rest or self._dropped or is_command
        return None if is_held else self._looked_at + self._patience / PROMPT_LOOKS

    def prompt(self, may_show: Callable[[str], bool]) -> list[str]:
        """Count a look that found nothing more; returns the unfinished line, where it
        is time to show it. What follows of it is a line of its own, and is waited for
        twice as long: a row of dots that grows by one a second does not become as many
        lines."""
        self._looked_at = time.monotonic()
        self._looks += 1
        if self._looks < PROMPT_LOOKS:
            return []
        self._looks = 0
        self._patience *= 2
        whole = whole_characters(self._rest)
        text = self._clean(whole)
        if not text or not may_show(text):
            return []
        self._rest = self._rest[len(whole) :]
        self._was_shown = True
        return [text]

    def _keep(self, data: bytes) -> None:
        if not self._dropped:
            data, self._rest = self._rest + data, b""
            # What was drawn before the last return to the line's start is gone.
            data = data[data.rfind(b"\r", 0, -1) + 1 :]
        room = LINE_LIMIT_BYTES + 1 - len(self._rest)
        self._rest += data[:room]
        self._dropped += max(0, len(data) - room)

    def _take_rest(self) -> str:
        line = self._clean(self._rest, self._dropped)
        self._rest, self._dropped = b"", 0
        return line

    def _clean_block(self, block: bytes) -> list[str]:
        if b"\r" not in block and b"\0" not in block:
            # Nothing to clean: the whole block at once, several times as fast.
            lines = block.decode("utf-8", "replace").split("\n")
            if max(map(len, lines)) <= LINE_LIMIT_BYTES // BYTES_PER_CHARACTER:
                return lines
        return [self._clean(line) for line in block.split(b"\n")]

    def _clean(self, line: bytes, dropped: int = 0) -> str:
        if b"\r" in line:
            line = line.rstrip(b"\r").rpartition(b"\r")[2]
        note = ""
        if len(line) + dropped > LINE_LIMIT_BYTES:
            note = f" … [cut: the line has {len(line) + dropped:,} bytes]"
            line = line[:LINE_LIMIT_BYTES]
            # Not a character cut in two, which would look like broken UTF-8.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            text = decoder.decode(line).replace("\0", "\ufffd")
            return self._hide_cut(text) + note
        return line.decode("utf-8", "replace").replace("\0", "\ufffd")


def whole_characters(data: bytes) -> bytes:
    """The data without a character at its end that is not whole yet."""
    for length in range(1, min(BYTES_PER_CHARACTER, len(data) + 1)):
        lead = data[-length]
        if lead >= 0xC0:
            size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return data if length >= size else data[:-length]
        if lead < 0x80:
            break
    return data
