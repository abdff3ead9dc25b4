"""Colours of programs that run on over the ends of lines.

A terminal keeps a colour until it is reset; a line in a log is shown without those
before it. So each line that begins in a colour is made to begin with it.
"""

import re

ESCAPE = "\x1b"
# Select Graphic Rendition: https://ecma-international.org/publications-and-standards/standards/ecma-48/
SELECTION = re.compile(r"\x1b\[([\d;]*)m")
RESETS = ("\x1b[0m", "\x1b[m")
# What turns something off, and what it is: attributes by their own numbers.
OFF = {
    "22": ("1", "2"),
    "23": ("3",),
    "24": ("4",),
    "25": ("5",),
    "27": ("7",),
    "28": ("8",),
    "29": ("9",),
    "39": ("text",),
    "49": ("ground",),
}
ATTRIBUTES = {number for numbers in OFF.values() for number in numbers}
GROUNDS = {"3": "text", "9": "text", "4": "ground", "10": "ground"}


class Colours:
    """What one stream of a program has turned on and not off again."""

    def __init__(self) -> None:
        self._on: dict[str, str] = {}  # what → the numbers that select it
        self.is_on = False

    def carried_into(self, line: str) -> str:
        """The line as it looks on its own; what follows goes on from its end."""
        whole = f"{ESCAPE}[{';'.join(self._on.values())}m{line}" if self._on else line
        if line.startswith(RESETS, line.rfind("\x1b[")):  # most that have colours
            self._on.clear()
        else:
            for selection in SELECTION.findall(line):
                self._select(selection.split(";"))
        self.is_on = bool(self._on)
        return whole if line else line

    def _select(self, numbers: list[str]) -> None:
        while numbers:
            number = numbers.pop(0).lstrip("0")
            if not number:
                self._on.clear()
            elif number in OFF:
                for what in OFF[number]:
                    self._on.pop(what, None)
            elif number in ATTRIBUTES:
                self._on[number] = number
            elif number in {"38", "48"}:  # 5 and one number, or 2 and three
                count = {"5": 2, "2": 4}.get(numbers[0] if numbers else "", 0)
                colour, numbers = numbers[:count], numbers[count:]
                if colour:
                    self._on[GROUNDS[number[0]]] = ";".join([number, *colour])
            elif number[-1] in "01234567" and number[:-1] in GROUNDS:
                self._on[GROUNDS[number[:-1]]] = number
