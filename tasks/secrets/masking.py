"""Secrets in texts: hidden before anybody sees the text, in each form in which programs
write them."""

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
LEAST_CHARACTERS = 4  # of a mask: a shorter one would hide half of every line
# A runner looks for each in each line of a task, and meanwhile does nothing else: 1,000
# take some milliseconds.
MOST_TEXTS = 1_000
PIECE_CHARACTERS = 1_000
LINE_ENDS = re.compile(r"[\r\n]+")


# How a workflow command writes these: ``::error::100%25 full``.
ESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n"}


class TooManySecrets(Exception):
    """A task has more secrets than can be looked for."""


class Masks:
    """The secrets of one task, and how to hide them.

    A secret of several lines is hidden line by line as well, because that is how a
    program prints it; lines that are shorter than LEAST_CHARACTERS only as a part of
    the whole. Blanks around a secret or a line are no part of it. ``added``: those that
    ``add()`` was given.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []  # the longest first
        self._count = 0  # of the texts that have these forms
        self.added: list[str] = []
        for secret in secrets:
            # Those of before there was a least length are hidden as a whole.
            if not self._add(secret, LEAST_CHARACTERS):
                self._add(secret, max(1, len(secret.strip())))

    def add(self, secret: str) -> bool:
        """Hide it from now on. Return False where no line of it is long enough for
        that. Raises TooManySecrets."""
        if self._count + len(_lines_of(secret)) > MOST_TEXTS:
            raise TooManySecrets
        self.added.append(secret)
        return self._add(secret, LEAST_CHARACTERS)

    def _add(self, secret: str, least: int) -> bool:
        lines = _lines_of(secret)
        # A message is one line, so its line ends have become blanks.
        whole = (secret.strip(), " ".join(lines).strip(), *lines)
        texts = {p for text in whole if len(text) >= least for p in _pieces(text)}
        self._count += len(texts)
        forms = {form for text in texts for form in _forms_of(text)}
        known = {*self._forms, *(form for form in forms if len(form) >= least)}
        self._forms = sorted(known, key=len, reverse=True)
        return is_long_enough(secret, least)

    def __bool__(self) -> bool:
        return bool(self._forms)

    def hide(self, text: str) -> str:
        """Return the text with MASK in place of each secret."""
        return _without(text, self._found(text))

    def hide_cut(self, text: str) -> str:
        """Return the same of a text that was cut off at its end, where half a secret
        may stand: that is hidden, too."""
        begun = self._begun_at_end(text)
        cut = [(len(text) - begun, len(text))] if begun else []
        return _without(text, [*self._found(text), *cut])

    def may_go_on(self, text: str) -> bool:
        """Return whether a secret may have begun at the end of a text."""
        return bool(self._begun_at_end(text))

    def hide_in(self, value: Any) -> Any:
        """Return a JSON value with the secrets hidden in its texts, names and
        numbers."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, list):
            return [self.hide_in(item) for item in value]
        if isinstance(value, dict):
            return {self.hide(key): self.hide_in(item) for key, item in value.items()}
        if value is None or isinstance(value, bool):
            return value
        written = json.dumps(value)
        return value if self.hide(written) == written else self.hide(written)

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Return where secrets stand, also such as overlap."""
        return [
            (start, start + len(form))
            for form in self._forms
            for start in _places(form, text)
        ]

    def _begun_at_end(self, text: str) -> int:
        """Return how many characters at the end are the beginning of a secret."""
        return max((_begun(form, text) for form in self._forms), default=0)


def _begun(form: str, text: str) -> int:
    """Return how many characters at the end of a text are the beginning of a form."""
    if text[-1:] not in form:
        return 0
    tail = text[-len(form) + 1 :]
    starts = (
        start for start in _places(form[0], tail) if form.startswith(tail[start:])
    )
    return next((len(tail) - start for start in starts), 0)


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that can be looked for in no time; the last is as long as
    the others, unless it is the only one."""
    last = max(0, len(text) - PIECE_CHARACTERS)
    for start in (*range(0, last, PIECE_CHARACTERS), last):
        yield text[start : start + PIECE_CHARACTERS]


def is_long_enough(secret: str, least: int = LEAST_CHARACTERS) -> bool:
    """Return whether a line of a secret is so long that it can be hidden."""
    return any(len(line) >= least for line in _lines_of(secret))


def _lines_of(secret: str) -> list[str]:
    return [line.strip() for line in LINE_ENDS.split(secret)]


def _places(form: str, text: str) -> Iterator[int]:
    start = text.find(form)
    while start >= 0:
        yield start
        start = text.find(form, start + 1)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with one MASK in place of spans that overlap."""
    shown: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*shown, text[end:]]) if spans else text


# --- The forms of a secret ----------------------------------------------------------


def _forms_of(text: str) -> set[str]:
    """Return a secret as it is, and as programs write it into JSON, URLs, shell
    commands, HTML and so on."""
    return {write(text) for write in WRITTEN} | set(_base64(text))


def unescaped(text: str) -> str:
    """Return what the value of a workflow command stands for."""
    return re.sub("%25|%0D|%0A", lambda escape: ESCAPES[escape[0]], text)


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _upper_hex(written: str) -> str:
    return re.sub(
        r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), written
    )


def _lower_hex(written: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), written)


def _json_in_html(text: str) -> str:
    """Return it as Go and PHP write JSON, so that it can stand in HTML."""
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", _json(text))


WRITTEN: tuple[Callable[[str], str], ...] = (
    str,
    _json,
    lambda text: _upper_hex(_json(text)),
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: _json(text).replace("/", "\\/"),
    _json_in_html,
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: shlex.quote(f" {text}")[2:-1],
    lambda text: text.replace("'", "'\\''"),  # set -x, ${x@Q}
    lambda text: re.sub(r'([\\"$`])', r"\\\1", text),  # within double quotes
    lambda text: re.sub(r"([^\w@%+=:,./~-])", r"\\\1", text, flags=re.ASCII),  # %q
    lambda text: quote(text),
    lambda text: quote(text, safe=""),
    lambda text: _lower_hex(quote(text, safe="")),
    quote_plus,
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    lambda text: text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"),
    unescaped,
)


def _base64(text: str) -> Iterator[str]:
    """Yield what stands for a secret within a longer text in Base64, which depends on
    how many bytes are before it; without the characters that it shares with others."""
    data = text.encode()
    for before in range(3):
        whole = 8 * (before + len(data)) // 6
        first = -(-8 * before // 6)
        shared = base64.b64encode(bytes(before) + data).decode()[first:whole]
        yield shared
        yield shared.replace("+", "-").replace("/", "_")
