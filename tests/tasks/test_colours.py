"""Colours that run on over the ends of lines."""

import pytest

from tasks.colours import Colours


def carried(text):
    colours = Colours()
    return [colours.carried_into(line) for line in text.split("\n")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\x1b[31mred\nstill\x1b[0m\nplain", ["\x1b[31mstill\x1b[0m", "plain"]),
        ("\x1b[31mred\nstill\x1b[m\nplain", ["\x1b[31mstill\x1b[m", "plain"]),
        ("\x1b[1;31mred\n\nstill", ["", "\x1b[1;31mstill"]),
        ("\x1b[31mred\x1b[32m\ngreen", ["\x1b[32mgreen"]),
        ("\x1b[31;44;1m\na\x1b[39m\nb\x1b[22m\nc\x1b[49m\nd",
         ["\x1b[31;44;1ma\x1b[39m", "\x1b[44;1mb\x1b[22m", "\x1b[44mc\x1b[49m", "d"]),
        ("\x1b[91;107m\na", ["\x1b[91;107ma"]),
        ("\x1b[38;5;208;4m\na", ["\x1b[38;5;208;4ma"]),
        ("\x1b[38;2;1;0;31m\x1b[48;2;0;0;0m\na", ["\x1b[38;2;1;0;31;48;2;0;0;0ma"]),
        ("\x1b[01;031m\na", ["\x1b[1;31ma"]),
        ("\x1b[0;31m\x1b[K\x1b[2J\x1b]0;title\x07\na", ["\x1b[31ma"]),
        ("\x1b[31m red \x1b[0m\nplain", ["plain"]),
        ("\x1b[38m\x1b[38;7m\x1b[99m\x1b[;m\x1b[12\na", ["a"]),
    ],
)  # fmt: skip
def test_a_line_begins_with_what_an_earlier_one_turned_on(text, lines):
    assert carried(text)[1:] == lines
