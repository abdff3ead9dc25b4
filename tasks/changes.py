"""What a version changes on a platform, as the engine says it.

The engine runs as a program: it reads manifests in several processes, which one with
threads must not fork, and a large version keeps no request waiting for Python's lock.
Nobody waits for it longer than a moment, and what it said is kept as long as it holds.
"""

import json
import logging
import math
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import all_platforms, is_version
from tasks.patient_reader import READ_SECONDS, PatientReader
from tasks.releases import (
    FRESH_SECONDS,
    engine_environment,
    reader,
    require_platform,
)

LIMIT_SECONDS = 300.0  # then the engine is stopped
# Two versions of the store never change; what they are compared by is in the question.
LASTING_SECONDS = 3600.0
LEAST_SECONDS = 5.0  # a build may be made anew
SHARE = 20  # what took a second holds for so many, so it costs a processor 5 % at most
KEPT, WAITING = 64, 16  # comparisons

logger = logging.getLogger(__name__)


class NoChanges(Exception):
    """Why there is nothing to say, in a sentence."""


class UnknownVersion(NoChanges):
    """There is no such version."""


class NotReady(NoChanges):
    """The comparison goes on; whoever asks again will have it."""


class NotComparable(NoChanges):
    """A version can't be read, or is not what its manifest says."""


class Question(NamedTuple):
    """What is compared; ``since`` is "" for what is live, and ``live`` the digest of
    its manifest, "" where none is known."""

    platform: str
    version: str
    since: str
    live: str


class Answer(NamedTuple):
    """What the engine said: one of its objects, or None where it failed; and for how
    long after it was asked that is taken for true."""

    found: dict[str, Any] | None
    fresh_seconds: float


def changes_within(
    seconds: float, platform: str, version: str, since: str = ""
) -> dict[str, Any]:
    """Return what the engine's ``Changes.as_json`` has, within so many seconds.

    Raises UnknownPlatform, UnknownVersion, NotReady and NotComparable, which are
    sentences.
    """
    until = time.monotonic() + seconds
    _require_known(platform, version, since)
    served = _live(platform, seconds)
    comparison = _comparison(Question(platform, version, since, served))
    said = comparison.newest
    comparison.start(said.fresh_seconds if said else LEAST_SECONDS)
    answer = comparison.wait(max(0.0, until - time.monotonic()))
    if answer is None:
        words = {"version": version, "platform": all_platforms()[platform]}
        raise NotReady(
            _("%(version)s of %(platform)s is still being compared; try again.") % words
        )
    return _said(answer, platform, version)


def _require_known(platform: str, version: str, since: str) -> None:
    require_platform(platform)
    for name in filter(None, (version, since)):
        if not is_version(name) or name.startswith("-"):
            words = {"version": name[:64]}
            raise UnknownVersion(_("“%(version)s” is not a version.") % words)


def _live(platform: str, seconds: float) -> str:
    each = reader(platform)
    each.start(FRESH_SECONDS)
    served = each.wait(min(seconds, READ_SECONDS))
    return served.pointer.manifest_sha256 if served and served.pointer else ""


def _said(answer: Answer, platform: str, version: str) -> dict[str, Any]:
    found = answer.found
    if found is None:
        words = {"version": version, "platform": all_platforms()[platform]}
        raise NotComparable(
            _("%(version)s of %(platform)s can't be compared; the log says why.")
            % words
        )
    if found["type"] == "unknown-version":
        raise UnknownVersion(_nowhere(found))
    return {key: value for key, value in found.items() if key != "type"}


def _nowhere(found: dict[str, Any]) -> str:
    there = found["there"]
    words = {
        "version": found["version"],
        "platform": all_platforms().get(found["platform"], found["platform"]),
        "versions": ", ".join(there[-10:]),
    }
    if not there:
        return _("%(platform)s has no version yet.") % words
    return (
        _("%(platform)s has no version %(version)s; the newest are: %(versions)s.")
        % words
    )


# --- Comparisons ----------------------------------------------------------------------

Comparison = PatientReader[Answer]

_comparisons: OrderedDict[Question, Comparison] = OrderedDict()
_choosing = threading.Lock()


@cache
def turn_of(platform: str) -> threading.Lock:
    """The engine is asked one thing at a time: it takes all processors as it is. By
    platform, because a store that hangs must not hold up the others."""
    return threading.Lock()


def forget() -> None:
    """Forget all comparisons, for tests."""
    with _choosing:
        _comparisons.clear()


def _comparison(question: Question) -> Comparison:
    """Return the one of a question. Raises NotReady where too many wait."""
    with _choosing:
        if question not in _comparisons:
            waiting = sum(each.is_reading for each in _comparisons.values())
            if waiting >= WAITING:
                raise NotReady(_("Too many versions are being compared; try again."))
            _comparisons[question] = PatientReader(
                partial(_ask, question), f"changes of {question.version}", math.inf
            )
        _comparisons.move_to_end(question)
        while len(_comparisons) > KEPT:
            _comparisons.popitem(last=False)
        return _comparisons[question]


# --- The engine -----------------------------------------------------------------------


def _ask(question: Question) -> Answer:
    asked = time.monotonic()
    with turn_of(question.platform):
        began = time.monotonic()
        found = _engine_says(question)
        ended = time.monotonic()
    return Answer(found, ended - asked + _holds(found, ended - began))


def _holds(found: dict[str, Any] | None, took: float) -> float:
    """Return for how many seconds what was found is taken for true."""
    if found and found["type"] == "changes" and found["to"]["stored"]:
        return LASTING_SECONDS
    return max(LEAST_SECONDS, SHARE * took)


def _engine_says(question: Question) -> dict[str, Any] | None:
    """Run the engine, and return what it found; None, after a line in the log, where it
    failed."""
    try:
        done = subprocess.run(
            _command(question),
            cwd=settings.BASE_DIR,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = type(error).__name__
    else:
        for found in _objects(done.stdout):
            if found.get("type") in ("changes", "unknown-version"):
                return found
        reason = done.stderr.decode(errors="replace")[:500].strip()
    logger.warning(
        "changes platform=%s version=%s: %s",
        question.platform,
        question.version,
        reason,
    )
    return None


def _command(question: Question) -> list[str]:
    since = [f"--from={question.since}"] if question.since else []
    return [
        *(sys.executable, "-m", "resources", "changes", question.version),
        *("--platform", question.platform, *since, "--json"),
    ]


def _environment() -> dict[str, str]:
    """Return the engine's, which runs for no task."""
    return {k: v for k, v in engine_environment().items() if k != "TASK_ID"}


def _objects(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found
