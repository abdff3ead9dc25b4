"""One task's walk through its steps: children in, lines and changes out.

Knows no database. The runner calls it when a pipe is readable, when a child may
have exited, or when a deadline has come; what has piled up in ``lines`` and in the
task's own state is stored by the runner.
"""

import os
import signal
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from django.conf import settings

from tasks.child import Child, ChildNotStarted, Stream
from tasks.task_types import MASK, TaskType, fill
from tasks.workflow import Command, parse

RETRY_SECONDS = 1.0  # before the first retry; doubled for each further one
MAX_RETRY_SECONDS = 60.0
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "SSL_CERT_FILE")
PASSED_ON_PREFIXES = ("RESOURCE_", "AWS_", "LC_")

Outcome = Literal["completed", "failed", "cancelled"]
Change = tuple[int, int, str, int]


def first_change(kind: TaskType | None) -> Change:
    """Where a task stands when it starts to run, as in ``Task.trail``."""
    return (0, 1, kind.steps[0].name if kind and kind.steps else "", 0)


class Execution:
    """A running task. Started by the first ``advance()``.

    lines    not yet taken by the runner: (number, milliseconds since 1970, level,
             message), numbered from 1 without a hole
    trail    each change of step or progress: (lines so far, index, name, progress)
    outcome  None until the end, then with ``error`` (one sentence, or None)
    """

    def __init__(
        self, task_id: uuid.UUID, kind: TaskType, params: Mapping[str, str]
    ) -> None:
        self.task_id, self.kind = task_id, kind
        self.values = kind.placeholders(task_id, params)
        secrets = [params.get(p.name, "") for p in kind.params if p.secret]
        self.masks = {secret for secret in secrets if secret}
        self.lines: list[tuple[int, int, str, str]] = []
        self.line_count = 0
        self.trail = [first_change(kind)]
        self.outcome: Outcome | None = None
        self.error: str | None = None
        self.results: list[dict[str, Any]] = []
        self.outputs: dict[str, str] = {}
        self.progress = 0
        self.child: Child | None = None
        self._step_index = 0  # of the step that runs or comes next, from 0
        self._attempt = 1
        self._retry_at: float | None = None
        self._started_at = self._step_started_at = time.monotonic()
        self._stop: tuple[Outcome, str] | None = None
        self._step_timed_out = False
        self._complaint = ""  # the step's last ::error::
        self._total_weight = sum(step.weight for step in kind.steps)

    # --- What the runner calls ------------------------------------------------------

    def advance(self) -> None:
        """Do whatever is due: start the next step, enforce deadlines, end."""
        if self.outcome is not None:
            return
        self._check_deadlines()
        if self.child is not None:
            self.child.press_on()
            if self.child.is_over():
                self._finish_step(self.child)
        if self.child is None and self.outcome is None:
            if self._stop is not None:
                self._end(*self._stop)
            elif self._retry_at is None or time.monotonic() >= self._retry_at:
                self._retry_at = None
                self._start_step()

    def read(self, fd: int) -> None:
        """Take what a child's readable pipe holds."""
        if self.child is not None:
            self._take(*self.child.read(fd))

    def stop(self, outcome: Outcome, reason: str) -> None:
        """End as soon as the running step's processes are gone. The first reason
        stays."""
        if self._stop is None:
            self._stop = (outcome, reason)
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """Kill what runs, now; nothing more is recorded."""
        if self.child is not None:
            self.child.bury()
            self.child = None

    @property
    def next_deadline(self) -> float | None:
        """When (time.monotonic) ``advance`` has something to do by the clock."""
        times = [
            self.child.next_deadline if self.child else None,
            self._retry_at,
            self._task_deadline if self._stop is None else None,
            self._step_deadline if self._stop is None else None,
        ]
        return min((moment for moment in times if moment is not None), default=None)

    @property
    def result(self) -> dict[str, Any]:
        """The task's ``result``, as API.md shows it."""
        success = self.outcome == "completed"
        result: dict[str, Any] = {"success": success, "results": self.results}
        if self.outputs:
            result["outputs"] = self.outputs
        return result

    # --- Steps ----------------------------------------------------------------------

    def _start_step(self) -> None:
        step = self.kind.steps[self._step_index]
        argv = step.argv(self.values)
        self._complaint, self._step_timed_out = "", False
        self._step_started_at = time.monotonic()
        self._note_change()
        self._say("info", f"Executing: {step.shown(self.values)}")
        folder = fill(step.cwd, self.values) if step.cwd else "."
        try:
            self.child = Child(
                argv,
                cwd=str(settings.BASE_DIR / folder),
                env=self._environment(step.env),
            )
        except ChildNotStarted as error:
            self._complaint = str(error)
            self._judge(error.exit_code)

    def _finish_step(self, child: Child) -> None:
        status, last = child.bury()
        self.child = None
        for stream, lines in last:
            self._take(stream, lines)
        self._judge(status)

    def _judge(self, status: int) -> None:
        """Record how a step ended, and decide what comes next."""
        step = self.kind.steps[self._step_index]
        self.results.append(
            {
                "name": step.name,
                "command": self._masked(step.shown(self.values)),
                "exitCode": 128 - status if status < 0 else status,
                "signal": _signal_name(-status) if status < 0 else None,
                "durationMs": round((time.monotonic() - self._step_started_at) * 1000),
                "attempt": self._attempt,
            }
        )
        if self._stop is not None:
            return
        if status == 0 and not self._step_timed_out:
            self._go_on()
            return
        problem = self._problem(status)
        if self._attempt <= step.retries:
            delay = min(RETRY_SECONDS * 2 ** (self._attempt - 1), MAX_RETRY_SECONDS)
            self._attempt += 1
            self._retry_at = time.monotonic() + delay
            self._say(
                "info",
                f"{problem} Attempt {self._attempt} of {step.retries + 1} "
                f"in {delay:g} s.",
            )
        elif step.continue_on_error:
            self._say("info", f"{problem} Going on, as the step allows it.")
            self._go_on()
        else:
            self._end("failed", problem)

    def _go_on(self) -> None:
        self._step_index += 1
        self._attempt = 1
        if self._step_index == len(self.kind.steps):
            self._end("completed", None)
        else:
            self._set_progress(0)

    def _end(self, outcome: Outcome, error: str | None) -> None:
        self.error = self._masked(error) if error else None
        if error is None:
            seconds = time.monotonic() - self._started_at
            count = len(self.kind.steps)
            steps = "1 step" if count == 1 else f"{count} steps"
            self._say("success", f"Completed {steps} in {seconds:.1f} s.")
            self.progress = 100
        else:
            self._say("error", error)
        self.outcome = outcome

    def _problem(self, status: int) -> str:
        """One sentence on why a step failed."""
        step = self.kind.steps[self._step_index]
        if self._step_timed_out:
            return f"Step “{step.name}” timed out after {step.timeout_seconds:g} s."
        if status < 0:
            how = f"was killed by {_signal_name(-status)}"
        elif status in {126, 127} and self._complaint:
            how = "could not start"
        else:
            how = f"failed with exit code {status}"
        because = f": {self._complaint}" if self._complaint else "."
        return f"Step “{step.name}” {how}{because}"

    # --- Deadlines ------------------------------------------------------------------

    @property
    def _task_deadline(self) -> float | None:
        limit = self.kind.timeout_seconds
        return None if limit is None else self._started_at + limit

    @property
    def _step_deadline(self) -> float | None:
        if self.child is None or self._step_timed_out:
            return None
        limit = self.kind.steps[self._step_index].timeout_seconds
        return None if limit is None else self._step_started_at + limit

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        if self._task_deadline is not None and now >= self._task_deadline:
            self.stop("failed", f"Timed out after {self.kind.timeout_seconds:g} s.")
        if self._step_deadline is not None and now >= self._step_deadline:
            self._step_timed_out = True
            if self.child is not None:
                self.child.stop()

    # --- Output ---------------------------------------------------------------------

    def _take(self, stream: Stream, lines: list[str]) -> None:
        at_ms = now_ms()
        for line in lines:
            if line[:2] == "::" and (command := parse(line)):
                self._obey(command, line)
            else:
                self._say(stream, line, at_ms)

    def _obey(self, command: Command, line: str) -> None:
        match command.name:
            case "progress":
                self._set_progress(int(command.value))
            case "add-mask":
                if command.value:
                    self.masks.add(command.value)
            case "set-output":
                self.outputs[command.key] = self._masked(command.value)
            case "error":
                self._complaint = command.value
                self._say("error", command.value)
            case "warning" | "notice":
                self._say("info", command.value)
            case _:  # group, endgroup: readers fold by them
                self._say("info", line)

    def _say(self, level: str, message: str, at_ms: int | None = None) -> None:
        if self.masks:
            message = self._masked(message)
        self.line_count += 1
        self.lines.append((self.line_count, at_ms or now_ms(), level, message))

    def _masked(self, text: str) -> str:
        for secret in sorted(self.masks, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    # --- Progress -------------------------------------------------------------------

    def _set_progress(self, percent_of_step: int) -> None:
        """Never backwards, and 100 only at the end."""
        weights = [step.weight for step in self.kind.steps]
        done = sum(weights[: self._step_index])
        done += weights[self._step_index] * percent_of_step / 100
        progress = min(99, int(100 * done / self._total_weight + 0.5))
        if progress > self.progress:
            self.progress = progress
            self._note_change()

    def _note_change(self) -> None:
        step = self.kind.steps[self._step_index]
        change = (self.line_count, self._step_index + 1, step.name, self.progress)
        if self.trail[-1][1:] != change[1:]:
            self.trail.append(change)

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """A clean one: no key, no password and no secret of the service in it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
        }
        return {
            "PATH": os.defpath,
            **kept,
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(settings.DATA_DIR),
            "TASK_ID": str(self.task_id),
            "TASK_TYPE": self.kind.name,
            **{name: fill(value, self.values) for name, value in own.items()},
        }


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
