"""What is wrong with an answer from a public address, in words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.delivery.bodies import Digest, Layer
    from resources.delivery.fetching import Answer
    from resources.manifests.format import Entry

SHORT_SECONDS = 60  # that what changes may be kept by a cache, too
LONG_SECONDS = 86_400  # a day, for which what never changes has to be kept at least
MAX_VALUE = 80  # characters of a header that are quoted

# What caches say of an answer. Age and Cache-Status are standards (RFC 9111, RFC 9211).
_CACHE_HEADERS = ("x-cache", "cf-cache-status", "x-cache-status", "cache-status", "via")
_SECONDS = re.compile("[0-9]{1,10}")
_HTML = "text/html"

# Thousands of files have the same few headers.
_cached = lru_cache(256)


class Finding(NamedTuple):
    """Something wrong at an address: a word, the path, and the reason.

    ``is_warning``: players get what they should, but not as they should.
    """

    kind: str
    path: str
    reason: str = ""
    is_warning: bool = False

    @property
    def line(self) -> str:
        """Return it as it is written."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.kind} {self.path}{reason}"


def of_file(
    answer: Answer[Digest], entry: Entry, expected: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what is wrong with a file; ``expected`` are the headers that it was
    published with."""
    if _is_right(answer, entry, expected):
        return
    if (finding := of_status(answer)) is not None:
        yield finding
        return
    if answer.moved_to is not None:
        yield _moved(answer)
    coding = expected.get("Content-Encoding", "")
    problem, is_other = _of_body(answer, entry, coding)
    is_page = is_other and _type(answer.headers) == _HTML
    if is_page and not expected["Content-Type"].startswith(_HTML):
        yield Finding(
            "MISSING",
            answer.path,
            "a web page came instead (200, text/html): something answers unknown"
            " addresses with it",
        )
        return
    if problem is not None:
        yield problem
    yield from of_headers(answer, expected)


def _is_right(
    answer: Answer[Digest], entry: Entry, expected: Mapping[str, str]
) -> bool:
    """Return whether a file came as nearly all do: nothing is wrong, and nothing was
    compressed on the way. Quicker than to look for reasons."""
    body, found = answer.body, answer.headers
    return (
        answer.status == 200
        and answer.moved_to is None
        and body.inner is None
        and body.sink.size == entry.size
        and body.sink.sha256 == entry.sha256
        and not _reason_against_type(
            found.get("content-type", ""), expected["Content-Type"]
        )
        and not _reason_against_cache(
            found.get("cache-control", ""), expected["Cache-Control"]
        )
        and not _reason_against_coding(
            0, _coding(found), expected.get("Content-Encoding", "")
        )
    )


def of_headers(answer: Answer[Any], expected: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the type and with how long an answer may be kept."""
    for kind, name, reason_against in (
        ("TYPE", "Content-Type", _reason_against_type),
        ("CACHE", "Cache-Control", _reason_against_cache),
    ):
        found = answer.headers.get(name.lower(), "")
        if reason := reason_against(found, expected[name]):
            yield Finding(kind, answer.path, reason)


def of_status(answer: Answer[Any]) -> Finding | None:
    """Return what the status of an answer says, None where it is 200."""
    status = answer.status
    if status == 200:
        return None
    if status in (404, 410):
        return Finding("MISSING", answer.path, f"{status}{_by_cache(answer.headers)}")
    if 300 <= status < 400 and answer.moved_to is not None:
        return Finding(
            "REDIRECT",
            answer.path,
            f"{status} to {_clipped(answer.moved_to)}, which clients may not follow",
        )
    return Finding(
        "STATUS", answer.path, f"expected 200, got {status}{_by_cache(answer.headers)}"
    )


def of_document(answer: Answer[Any]) -> Iterator[Finding]:
    """Yield what is wrong with how a JSON document came; see ``content_of``."""
    if (finding := of_status(answer)) is not None:
        yield finding
        return
    if answer.moved_to is not None:
        yield _moved(answer)
    often = len(list(answer.body.layers())) - 1
    if reason := _reason_against_coding(often, _coding(answer.headers), ""):
        yield Finding("ENCODING", answer.path, reason)


def content_of(answer: Answer[Any]) -> Layer[Any]:
    """Return the layer of a JSON document that is the document, however often it was
    compressed: JSON never looks like a gzip stream."""
    return list(answer.body.layers())[-1]


def served_instead(answer: Answer[Any], what: str) -> str:
    """Say what a cache still serves.

    >>> from resources.delivery.fetching import Answer
    >>> answer = Answer("current.json", 200, {"age": "3120", "x-cache": "HIT"}, None)
    >>> served_instead(answer, "v884")
    'the CDN still serves v884 (Age 3,120 s, X-Cache HIT)'
    """
    return f"the CDN still serves {what}{_by_cache(answer.headers)}"


def age_of(headers: Mapping[str, str]) -> int | None:
    """Return for how many seconds an answer was kept by caches, as they say."""
    found = _SECONDS.fullmatch(headers.get("age", "").strip())
    return int(found[0]) if found else None


def _of_body(
    answer: Answer[Digest], entry: Entry, coding: str
) -> tuple[Finding | None, bool]:
    """Return what is wrong with a file's bytes, and whether they are other ones, and
    not only compressed in another way.

    ``coding`` is the Content-Encoding that the file was published with, of which its
    own bytes are what comes over the line.
    """
    layers = list(answer.body.layers())
    found = _coding(answer.headers)
    for often, layer in enumerate(layers):
        if layer.sink.size == entry.size and layer.sink.sha256 == entry.sha256:
            reason = _reason_against_coding(often, found, coding)
            finding = Finding("ENCODING", answer.path, reason) if reason else None
            return finding, False
    own, said = _split(coding), _split(found)
    named = len(said) - len(own) if said[: len(own)] == own else len(said)
    layer = layers[min(named, len(layers) - 1)]
    if layer.inner is not None and not layer.inner.is_whole and named:
        reason = "it is compressed, and its end is missing"
        return Finding("SIZE", answer.path, reason), True
    if layer.sink.size != entry.size:
        reason = f"expected {entry.size}, got {layer.sink.size}"
        return Finding("SIZE", answer.path, reason), True
    reason = f"expected {entry.sha256}, got {layer.sink.sha256}"
    return Finding("MISMATCH", answer.path, reason), True


@_cached
def _reason_against_coding(often: int, found: str, coding: str) -> str:
    """Return why what Content-Encoding says is wrong for a body that is compressed so
    often, beyond the coding that the file itself was published with."""
    own, said = _split(coding), _split(found)
    if said[: len(own)] != own:
        got = f'"{_clipped(", ".join(said))}"' if said else "none"
        return f'expected Content-Encoding "{coding}", got {got}'
    more = said[len(own) :]
    if often > 1:
        return "compressed twice" if often == 2 else f"compressed {often} times"
    if often == 1 and not more:
        return "compressed, but no Content-Encoding says so"
    if often == 0 and more:
        return f"not compressed, but Content-Encoding says {_clipped(', '.join(more))}"
    if len(more) > 1 or any(coding not in ("gzip", "x-gzip") for coding in more):
        return f'compressed as "{_clipped(", ".join(more))}", which nobody asked for'
    return ""


@_cached
def _reason_against_type(found: str, expected: str) -> str:
    """Return why a type is not the expected one."""
    # UTF-8 said of what is UTF-8 in any case, as JSON is, is no harm.
    if _parts(expected) in (_parts(found), _parts(found) - {"charset=utf-8"}):
        return ""
    return f"expected {expected}, got {_clipped(found) or 'none'}"


@_cached
def _reason_against_cache(found: str, expected: str) -> str:
    """Return why an answer may be kept for too long, or not long enough."""
    wanted = _kept_seconds(expected) or 0
    kept = _kept_seconds(found)
    if wanted >= LONG_SECONDS:
        is_right = kept is not None and kept >= LONG_SECONDS
    else:
        is_right = kept is not None and kept <= max(wanted, SHORT_SECONDS)
    got = f'got "{_clipped(found)}"' if found else "got no Cache-Control"
    return "" if is_right else f'expected "{expected}", {got}'


@_cached
def _kept_seconds(cache_control: str) -> int | None:
    """Return for how long caches, of a CDN or a player, may keep an answer unasked;
    None where that is left to them. https://www.rfc-editor.org/rfc/rfc9111#section-5.2

    >>> _kept_seconds("public, max-age=60, s-maxage=3600"), _kept_seconds("no-cache")
    (3600, 0)
    """
    values = dict(
        part.strip().lower().partition("=")[::2] for part in cache_control.split(",")
    )
    if "no-store" in values or "no-cache" in values:
        return 0
    ages = [
        values[name].strip('" ') for name in ("max-age", "s-maxage") if name in values
    ]
    known = [int(age) for age in ages if _SECONDS.fullmatch(age)]
    return max(known) if known else None


def _by_cache(headers: Mapping[str, str]) -> str:
    """Return what caches say of an answer, in brackets."""
    age = age_of(headers)
    said = [] if age is None else [f"Age {age:,} s"]
    said += [
        f"{name.title()} {_clipped(headers[name])}"
        for name in _CACHE_HEADERS
        if headers.get(name)
    ]
    return f" ({', '.join(said)})" if said else ""


def _moved(answer: Answer[Any]) -> Finding:
    reason = (
        f"leads to {_clipped(str(answer.moved_to))}; each costs players a round trip"
    )
    return Finding("REDIRECT", answer.path, reason, is_warning=True)


def _coding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "")


@_cached
def _split(codings: str) -> tuple[str, ...]:
    parts = (part.strip().lower() for part in codings.split(","))
    return tuple(part for part in parts if part and part != "identity")


def _type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


@_cached
def _parts(content_type: str) -> frozenset[str]:
    """Return a type and its parameters in a form that compares."""
    parts = content_type.replace('"', "").lower().split(";")
    return frozenset(map(str.strip, parts))


def _clipped(value: str) -> str:
    return value if len(value) <= MAX_VALUE else f"{value[: MAX_VALUE - 1]}…"
