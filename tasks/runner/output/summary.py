"""What a task's steps write for people to read first (``::summary::``): Markdown,
within what a row of the database and a page can carry."""

MOST_BYTES = 64 * 1024
CUT = (
    f"The summary ends here: it may have {MOST_BYTES:,} bytes, and so may each line of "
    "output that adds to it. The rest is left out."
)


class Summary:
    """The Markdown so far.

    size_bytes  in UTF-8
    changes     how often it has become another one
    is_cut      more was written than is kept
    """

    def __init__(self) -> None:
        self.size_bytes = self.changes = 0
        self.is_cut = False
        self._parts: list[str] = []
        self._before_step = (0, 0, False)

    def take_over(self, text: str) -> None:
        """Begin with what the steps before an approval wrote."""
        self._parts = [text]
        self.size_bytes = len(text.encode())

    @property
    def text(self) -> str:
        return "\n".join(self._parts)

    def begin_step(self, *, again: bool) -> None:
        """Note that a step begins. One that is tried again writes its part anew: what
        a failed attempt said of its result does not stand beside what came of it."""
        before = (len(self._parts), self.size_bytes, self.is_cut)
        if not again:
            self._before_step = before
        elif before != self._before_step:
            count, self.size_bytes, self.is_cut = self._before_step
            del self._parts[count:]
            self.changes += 1

    def add(self, text: str, *, is_whole: bool = True) -> bool:
        """Add Markdown behind a line end; what is beyond the limit, and the line that
        was to end behind it, is left out. Return whether that is so for the first
        time. ``is_whole``: False of a text that was cut off already."""
        if self.is_cut:
            return False
        line_end = 1 if self._parts else 0
        room = MOST_BYTES - self.size_bytes - line_end
        data = text.encode()
        if len(data) > room or not is_whole:
            self.is_cut = True
            data = data[: max(0, room)].rpartition(b"\n")[0]
        if data or not self.is_cut:
            self._parts.append(data.decode())
            self.size_bytes += line_end + len(data)
            self.changes += 1
        return self.is_cut
