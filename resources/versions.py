"""Names and order of versions."""

from __future__ import annotations

import re

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Not Semantic Versioning's rule, for which every hyphen begins a version that comes
# before: a hotfix would come before what it mends.
_TRIAL = re.compile(
    r"(?:[._-]|(?<=[0-9]))"
    r"(?P<word>alpha|beta|canary|dev|nightly|preview|pre|rc|snapshot)(?![A-Za-z])",
    flags=re.IGNORECASE,
)

_Part = tuple[int, int, str]  # rank, number, text
_END: _Part = (1, 0, "")  # after a word for a trial, before everything else


def is_version(text: str) -> bool:
    """Return whether ``text`` can name a version (and so a folder).

    >>> is_version("v885"), is_version(".."), is_version("v1/../v2")
    (True, False, False)
    """
    return _VERSION.fullmatch(text) is not None and text.strip(".") != ""


def natural_key(version: str) -> tuple[tuple[_Part, ...], str]:
    """Return the sort key of a version: the one order in which versions come.

    Runs of digits count as numbers. A word for a trial, such as ``rc`` or ``beta``,
    puts a version before the release of that name; any other ending puts it after.

    >>> sorted(["v10", "v9", "v1.10", "v1.9"], key=natural_key)
    ['v1.9', 'v1.10', 'v9', 'v10']
    >>> sorted(["1.10.0", "1.10.0-rc1", "1.10.0-1", "1.10.0-beta.2"], key=natural_key)
    ['1.10.0-beta.2', '1.10.0-rc1', '1.10.0', '1.10.0-1']
    """
    trial = _TRIAL.search(version)
    if trial is None:
        return (*_parts(version), _END), version
    before, after = version[: trial.start()], version[trial.end() :]
    word = trial["word"].lower()
    return (*_parts(before), (0, 0, word), *_parts(after), _END), version


def _parts(text: str) -> list[_Part]:
    return [
        (2, int(part), "") if part.isdecimal() else (3, 0, part)
        for part in re.split(r"([0-9]+)", text)
        if part
    ]


def listed(versions: list[str]) -> str:
    """Name the versions there are, in natural order, for an error message.

    >>> listed(["v885", "v884"])
    'there are: v884, v885'
    """
    if not versions:
        return "there are none"
    ordered = sorted(versions, key=natural_key)
    newest = ordered[-10:]
    older = len(ordered) - len(newest)
    return f"there are: {', '.join(newest)}" + (f" and {older} older" if older else "")
