"""What a version changes on a platform, as the engine says it.

The engine runs as a program: it reads manifests in several processes, which one with
threads must not fork, and a large version keeps no request waiting for Python's lock.
Nobody waits for it longer than a moment, and what it said is kept as long as it holds.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import all_platforms, is_version
from tasks.patient_reader import READ_SECONDS
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
    """What the engine said: one of its objects, or None where it failed."""

    found: dict[str, Any] | None


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
    comparison.start()
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


class Comparison:
    """Asks the engine one question; never twice at a time."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._turn = turn_of(question.platform)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._answer: Answer | None = None
        self._holds_until = 0.0

    @property
    def is_under_way(self) -> bool:
        """Return whether the engine is being asked."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to ask, where nothing holds and nobody asks right now."""
        with self._lock:
            if self.is_under_way or time.monotonic() < self._holds_until:
                return
            # A daemon, because a hanging store must not hold up the end of the server.
            self._thread = threading.Thread(
                target=self._ask,
                name=f"changes of {self._question.version}",
                daemon=True,
            )
            self._thread.start()

    def wait(self, seconds: float) -> Answer | None:
        """Return what the engine said; while it says nothing new, what it said before;
        None where that is nothing."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self._answer

    def _ask(self) -> None:
        with self._turn:
            began = time.monotonic()
            answer = Answer(_engine_says(self._question))
            took = time.monotonic() - began
        self._holds_until = began + took + _holds(answer, took)
        self._answer = answer


def _holds(answer: Answer, took: float) -> float:
    """Return for how many seconds an answer is taken for true."""
    found = answer.found or {}
    if found.get("type") == "changes" and found["to"]["stored"]:
        return LASTING_SECONDS
    return max(LEAST_SECONDS, SHARE * took)


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
            waiting = sum(each.is_under_way for each in _comparisons.values())
            if waiting >= WAITING:
                raise NotReady(_("Too many versions are being compared; try again."))
            _comparisons[question] = Comparison(question)
        _comparisons.move_to_end(question)
        while len(_comparisons) > KEPT:
            _comparisons.popitem(last=False)
        return _comparisons[question]


# --- The engine -----------------------------------------------------------------------


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
