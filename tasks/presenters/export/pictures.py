"""Any text as HTML that shows every character of it, and from which it can be read
back as it was."""

import html
import re

# As static/js/log/ansi.js has them: colours, and what moves a cursor or names a window.
ESCAPES = re.compile(
    r"(\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]))"
)
# What HTML can't hold (NUL, CR, halves of surrogates), what would end a row (LF), and
# what nobody sees or what turns the direction of what follows.
UNSEEN = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    r"\ud800-\udfff\ufeff\ufffe\uffff]"
)
TAGS = re.compile(r"<[^>]*>")


def pictured(text: str) -> str:
    """Return a text as HTML: what is unseen stands in ``<q>`` by its picture or number,
    and an escape of a terminal, in ``<s>``, takes the room of one character."""
    if not UNSEEN.search(text):
        return html.escape(text, quote=False)
    return "".join(
        f"<s>{_seen(part)}</s>" if number % 2 else _seen(part)
        for number, part in enumerate(ESCAPES.split(text))
    )


def _seen(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return UNSEEN.sub(lambda found: f"<q>{_picture(found[0])}</q>", escaped)


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"U+{code:04X}"


def text_of(page: str) -> str:
    """Return the text of HTML of ours, as a browser has it in ``textContent``."""
    return html.unescape(TAGS.sub("", page))
