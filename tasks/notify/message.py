"""What a message to a chat says, before it is written in the marks of that chat."""

from typing import Any, NamedTuple


class Message(NamedTuple):
    """``tone``: ``bad``, ``good`` or ``""``, where the chat has colours. ``quote``:
    somebody else's words, a program's, or "". ``link``: the words for ``url``."""

    headline: str
    tone: str
    quote: str
    lines: list[str]
    link: str
    url: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict()

    def cut_to(self, limit: int) -> "Message":
        """Return it with one line for each text, of so many characters at most."""
        return self._replace(
            headline=_cut(self.headline, limit),
            quote=_cut(self.quote, limit),
            lines=[_cut(line, limit) for line in self.lines if line.strip()],
        )


def _cut(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
