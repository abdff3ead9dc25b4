"""Runs checks beside each other, each within its time."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.db import connection
from django.utils import translation
from django.utils.translation import gettext as _

from tasks.databases.errors import in_one_line, outage_errors
from tasks.doctor.findings import Finding, State, problem, skipped

logger = logging.getLogger(__name__)

Check = Callable[[], Iterable[Finding]]


class Part(NamedTuple):
    """One thing to look at. What asks the database is not begun where that does not
    answer: each would wait for it in vain."""

    check: Check
    seconds: float = 15.0
    needs_database: bool = False


class Examined(NamedTuple):
    name: str
    findings: list[Finding]


class _Running:
    """A check in a thread of its own, which is left behind where it hangs."""

    def __init__(self, part: Part, language: str) -> None:
        self._part, self._language = part, language
        self._findings: list[Finding] = []
        self._deadline = time.monotonic() + part.seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with translation.override(self._language):
            try:
                for finding in self._part.check():
                    self._findings.append(finding)
            except Exception as error:  # noqa: BLE001 (it becomes a finding)
                self._findings.append(_failed(error))
            finally:
                connection.close()

    def findings(self) -> list[Finding]:
        """Wait for the check's end, and return what it found until then."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        found = list(self._findings)
        if self._thread.is_alive():
            text = _("The check did not end within %(seconds)s s.")
            found.append(
                problem(
                    text % {"seconds": round(self._part.seconds)},
                    _("What it asks hangs: is it reachable, or busy?"),
                )
            )
        return found or [skipped(_("There was nothing to look at."))]


def _failed(error: Exception) -> Finding:
    if isinstance(error, outage_errors()):
        return skipped(_("The database does not answer."))
    logger.error("A check of the doctor failed.", exc_info=error)
    text = _("The check itself failed: %(error)s")
    named = f"{type(error).__name__}: {in_one_line(error)}"[:300]
    return problem(text % {"error": named}, _("LOG_DIR/error.log has the whole cause."))


def examine(parts: Mapping[str, Part], language: str) -> Iterator[Examined]:
    """Yield what was found, in the order of the parts. The one called ``database`` is
    waited for before any other that needs it begins."""
    running: dict[str, _Running] = {}
    for name, part in parts.items():
        if name == "database" or not part.needs_database:
            running[name] = _Running(part, language)
    is_there = True
    if "database" in running:
        found = running["database"].findings()
        is_there = all(finding.state is not State.PROBLEM for finding in found)
    for name, part in parts.items():
        if name not in running and is_there:
            running[name] = _Running(part, language)
    for name in parts:
        if name in running:
            yield Examined(name, running[name].findings())
        else:
            yield Examined(name, [skipped(_("The database does not answer."))])


def counts_of(examined: Iterable[Examined]) -> dict[str, int]:
    """Return how many findings there are of each state."""
    found = [finding.state for one in examined for finding in one.findings]
    return {state.value: found.count(state) for state in State}


def exit_code_of(counts: Mapping[str, int]) -> int:
    """Return 0 where all that was looked at is as it should be, 1 for warnings, 2 for
    problems, and for when nothing was looked at."""
    if counts["problem"] or not (counts["ok"] or counts["warning"]):
        return 2
    return 1 if counts["warning"] else 0
