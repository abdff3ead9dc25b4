"""One task's walk through its steps: children in, lines and changes out.

Knows no database. The runner calls it when a pipe is readable, when a child may
have exited, or when a deadline has come; what has piled up in ``lines`` and in the
task's own state is stored by the runner.
"""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from django.conf import settings

from tasks.catalog.patterns import LINE_SECONDS, Match, Pattern, TooSlow, found_in
from tasks.catalog.task_type import NoValue, Step, TaskType, fill
from tasks.runner.causes import LONGEST_SHOWN, Cause, Output
from tasks.runner.outputs import MOST_REFUSALS_TOLD, Outputs
from tasks.runner.pipes import Piece
from tasks.runner.process import CUT_NOTE, Child, Stream
from tasks.runner.workflow_commands import Command, NotJson, json_of, parse
from tasks.secrets.masking import (
    LEAST_CHARACTERS,
    MASK,
    MOST_TEXTS,
    Masks,
    TooManySecrets,
)
from tasks.shim.client import ForkServer, Program
from tasks.shim.start_failures import NOT_EXECUTABLE, limit_met

RETRY_SECONDS = 1.0  # before the first retry; doubled for each further one
MAX_RETRY_SECONDS = 60.0
MOST_SLOW_LINES = 3  # others wait for each: LINE_SECONDS
LONGEST_TEXT = 4_000  # characters of an error, or of a command in the result
LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})  # a message is one line
TERMINAL = "xterm-256color"  # whose colours the pages know
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE")
PASSED_ON_PREFIXES = ("RESOURCE_", "AWS_", "AZURE_", "GOOGLE_", "LC_")

# Rather than go on and print what can't be hidden.
TOO_MANY_SECRETS = f"::add-mask:: named more than {MOST_TEXTS:,} lines of secrets."

# Those that a program brings upon itself; others are sent by somebody who need not care
# what it said last.
OWN_SIGNALS = {
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
}

Outcome = Literal["completed", "failed", "cancelled"]
Change = tuple[int, int, str, int, int | None]


def first_change(kind: TaskType | None) -> Change:
    """Where a task stands when it starts to run, as in ``Task.trail``."""
    return (0, 1, kind.steps[0].name if kind and kind.steps else "", 0, None)


class Execution:
    """A running task. Started by the first ``advance()``.

    lines    not yet taken by the runner: (number, milliseconds since 1970, level,
             message), numbered from 1 (or behind ``first_seq``) without a hole
    trail    each change of step, progress or stall: (lines so far, index, name,
             progress, milliseconds since 1970 of the last output or None)
    outcome  None until the end, then with ``error`` (one sentence, or None)
    """

    def __init__(
        self,
        task_id: uuid.UUID,
        kind: TaskType,
        params: Mapping[str, str],
        fork_server: ForkServer,
        *,
        first_seq: int = 0,
        trail: list[Any] | None = None,
        progress: int = 0,
    ) -> None:
        """``first_seq``, ``trail``, ``progress``: where it goes on, if it ran before:
        behind that line, with the trail that the claim left, never back."""
        self.task_id, self.kind, self._fork_server = task_id, kind, fork_server
        self.values = kind.placeholders(task_id, params)
        secrets = {p.name: params.get(p.name, "") for p in kind.params if p.secret}
        self._masks = Masks(secrets.values())
        # What is shown is made of these: of a secret that was quoted, escaped or cut
        # first, nobody could tell any more that it is one.
        hidden = {name: MASK for name, secret in secrets.items() if secret}
        self._shown_values = {**self.values, **hidden}
        self.lines: list[tuple[int, int, str, str]] = []
        self.line_count = first_seq
        self.trail = [tuple(change) for change in trail or [first_change(kind)]]
        self.outcome: Outcome | None = None
        self.error: str | None = None
        self.results: list[dict[str, Any]] = []
        self.outputs = Outputs()
        self.progress = progress
        self.child: Child | None = None
        self._step_index = 0  # of the step that runs or comes next, from 0
        self._attempt = 1
        self._retry_at: float | None = None
        self._started_at = self._step_started_at = time.monotonic()
        self._stop: tuple[Outcome, str] | None = None
        self._step_timed_out = False
        self.has_spoken = False  # any program of it
        self._last_output_at = time.monotonic()
        self._stalled_ms: int | None = None  # since then, milliseconds since 1970
        self._last_line_at = time.monotonic()
        self._longest_silence_seconds = 0.0  # of the step, between its lines
        self._log_size_bytes = self._dropped_lines = 0
        self._is_log_full = False
        self._slow_lines = 0  # whose progress took too long to read
        self._may_speak = True  # what it prints can be shown without its secrets
        self._complaint = ""  # the step's last ::error::
        self._output = Output()  # of the attempt that runs
        # The first ::error::, or what made the task fail; never the service's words.
        self.first_error: Cause | None = None
        self._total_weight = sum(step.weight for step in kind.steps)

    # --- What the runner calls ------------------------------------------------------

    def advance(self) -> None:
        """Do whatever is due: start the next step, enforce deadlines, end."""
        if self.outcome is not None:
            return
        self._check_deadlines()
        if self.child is not None:
            self.child.press_on()
            for stream, text in self.child.prompts(self._may_show):
                self._take(stream, [text])
            if self.child.is_over():
                self._finish_step(self.child)
        if self.child is None and self.outcome is None:
            if self._stop is not None:
                self._end(*self._stop)
            elif self._retry_at is None or time.monotonic() >= self._retry_at:
                self._retry_at = None
                self._start_step()

    def read(self, fd: int, ahead: Piece | None = None) -> None:
        """Take what a child's readable descriptor holds, or what was read of it
        already."""
        if self.child is None:
            return
        stream, lines = self.child.read(fd, ahead and ahead.data)
        if lines:
            self._take(stream, lines, ahead and ahead.at_ms)
        if pattern := self._step.progress_pattern:
            self._take_progress(pattern, [*lines[-1:], self.child.unfinished(fd)])

    def stop(self, outcome: Outcome, reason: str, *, force: bool = False) -> None:
        """End as soon as the running step's processes are gone; by ``force`` they get
        no grace. The first reason stays."""
        if self._stop is None:
            self._stop = (outcome, reason)
        if self.child is not None:
            self.child.stop(self.kind.stop_grace_seconds)
            if force:
                self.child.kill_now()

    def kill(self) -> None:
        """Kill what runs, now; nothing more is recorded."""
        if self.child is not None:
            self.child.abandon()
            self.child = None

    def lose_lines(self, kept: int, kept_changes: int, why: str) -> None:
        """End at once, because the lines behind the first ``kept`` can't be stored;
        one line takes their place and says so."""
        missing = f"{len(self.lines):,} line{'' if len(self.lines) == 1 else 's'}"
        self.kill()
        self.lines.clear()
        self.line_count = kept
        del self.trail[kept_changes:]
        self._end(
            "failed", f"{missing} after line {kept:,} could not be stored: {why}."
        )

    @property
    def next_deadline(self) -> float | None:
        """When (time.monotonic) ``advance`` has something to do by the clock."""
        times = [
            self.child.next_deadline if self.child else None,
            self._retry_at,
            self._task_deadline if self._stop is None else None,
            self._step_deadline if self._stop is None else None,
            self._stall_deadline if self._stop is None else None,
        ]
        return min((moment for moment in times if moment is not None), default=None)

    @property
    def result(self) -> dict[str, Any]:
        """The task's ``result``, as API.md shows it."""
        success = self.outcome == "completed"
        result: dict[str, Any] = {"success": success, "results": self.results}
        if self.first_error is not None:
            result["firstError"] = self.first_error._asdict()
        if self.outputs.values:
            result["outputs"] = self.outputs.values
        return result

    # --- Steps ----------------------------------------------------------------------

    @property
    def _step(self) -> Step:
        return self.kind.steps[self._step_index]

    @property
    def _command(self) -> str:
        """The running step's, as people read it."""
        return self._step.shown(self._shown_values, self._masks.hide)

    def _start_step(self) -> None:
        step = self._step
        self._complaint, self._step_timed_out = "", False
        self._output = Output()
        self._step_started_at = self._last_output_at = time.monotonic()
        self._last_line_at, self._longest_silence_seconds = self._step_started_at, 0.0
        self._note_change(again=self._attempt > 1)
        try:
            self._say("info", f"Executing: {self._command}")
            program = self._program(step)
        except NoValue as missing:
            self._end("failed", f"Step “{step.name}” was not started: {missing}")
            return
        try:
            self.child = Child(self._fork_server, program, self._masks.hide_cut)
        except OSError as error:  # a limit of the system's, which others may not meet
            self._complaint = limit_met(program.argv[0], error)
            self._judge(NOT_EXECUTABLE, {})

    def _program(self, step: Step) -> Program:
        """Return what to start. Raises NoValue."""
        folder = fill(step.cwd, self.values) if step.cwd else "."
        own_env = {
            name: fill(value, self.values)
            for name, value in {**self.kind.env, **step.env}.items()
        }
        return Program(
            argv=step.argv(self.values),
            cwd=str(settings.BASE_DIR / folder),
            env={**self._environment(), **own_env},
            user=step.user or self.kind.user,
            own_env=own_env,
            pty=step.pty,
            columns=step.columns,
            rows=step.rows,
            umask=settings.STEP_UMASK,
        )

    def _finish_step(self, child: Child) -> None:
        for stream, lines in child.rest():
            self._take(stream, lines)
        self.child = None
        self._end_stall()
        self._end_silence()
        if child.killed and self._stop is None and not self._step_timed_out:
            count = "1 process" if child.killed == 1 else f"{child.killed} processes"
            were = "it was" if child.killed == 1 else "they were"
            self._say(
                "info", f"Step “{self._step.name}” left {count} behind; {were} killed."
            )
        if child.left:
            pids = ", ".join(map(str, child.left))
            self._say("error", f"Processes that can't be killed are left: {pids}.")
        if child.refusal is not None:
            self._complaint, status = child.refusal
            self._judge(status, child.usage)
        else:
            assert child.status is not None  # noqa: S101 (it is over)
            self._complaint = self._complaint or child.why or ""
            self._judge(child.status, child.usage)

    def _judge(self, status: int, usage: Mapping[str, float]) -> None:
        """Record how a step ended, and decide what comes next."""
        step = self._step
        self.results.append(
            {
                "name": step.name,
                "command": shortened(self._command),
                "exitCode": 128 - status if status < 0 else status,
                "signal": _signal_name(-status) if status < 0 else None,
                "durationMs": round((time.monotonic() - self._step_started_at) * 1000),
                "longestSilenceMs": round(self._longest_silence_seconds * 1000),
                "attempt": self._attempt,
                "maxRssBytes": usage.get("maxRssBytes"),
                "cpuSeconds": usage.get("cpuSeconds"),
            }
        )
        if self._stop is not None:
            return
        if status == 0 and not self._step_timed_out:
            self._go_on()
            return
        cause = self._cause(status)
        problem = self._problem(status, cause)
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
            self.first_error = self.first_error or cause
            self._end("failed", problem)

    def _go_on(self) -> None:
        self._step_index += 1
        self._attempt = 1
        if self._step_index == len(self.kind.steps):
            self._end("completed", None)
        else:
            self._set_progress(0)

    def _end(self, outcome: Outcome, error: str | None) -> None:
        self.error = shortened(self._masks.hide(error)) if error else None
        if (count := self.outputs.refused - MOST_REFUSALS_TOLD) > 0:
            were = "output was" if count == 1 else "outputs were"
            self._say("info", f"{count:,} more {were} refused.")
        if count := self._dropped_lines:
            were = "line was" if count == 1 else "lines were"
            self._say("info", f"{count:,} more {were} not kept.")
        if error is None:
            seconds = time.monotonic() - self._started_at
            count = len(self.kind.steps)
            steps = "1 step" if count == 1 else f"{count} steps"
            self._say("success", f"Completed {steps} in {seconds:.1f} s.")
            self.progress = 100
        else:
            self._say("error", error)
        self.outcome = outcome

    def _cause(self, status: int) -> Cause | None:
        """What the program printed of its failure; None where it is not to be looked
        for, because somebody said it by ::error::, or ended the program."""
        is_ended = status < 0 and -status not in OWN_SIGNALS
        if self._complaint or self._step_timed_out or is_ended:
            return None
        return self._output.cause()

    def _problem(self, status: int, cause: Cause | None) -> str:
        """One sentence on why a step failed."""
        step = self._step
        if self._step_timed_out:
            return f"Step “{step.name}” timed out after {step.timeout_seconds:g} s."
        if status < 0:
            how = f"was killed by {_signal_name(-status)}"
        elif status in {126, 127} and self._complaint:
            how = "could not start"
        else:
            how = f"failed with exit code {status}"
        because = self._complaint or (cause.message if cause else "")
        because = f": {because}" if because else "."
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
        limit = self._step.timeout_seconds
        return None if limit is None else self._step_started_at + limit

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        if self._task_deadline is not None and now >= self._task_deadline:
            self.stop("failed", f"Timed out after {self.kind.timeout_seconds:g} s.")
        if self._step_deadline is not None and now >= self._step_deadline:
            self._step_timed_out = True
            if self.child is not None:
                self.child.stop(self.kind.stop_grace_seconds)
        if self._stall_deadline is not None and now >= self._stall_deadline:
            if self.child is not None and self.child.has_more():
                self._last_output_at = now  # it is not silent, only not heard yet
            else:
                self._note_stall(now)

    @property
    def _stall_seconds(self) -> float | None:
        return self._step.stall_seconds or self.kind.stall_seconds

    @property
    def _stall_deadline(self) -> float | None:
        if self.child is None or self._stalled_ms is not None:
            return None
        limit = self._stall_seconds
        return None if limit is None else self._last_output_at + limit

    def _note_stall(self, now: float) -> None:
        """Say that the step is silent; it goes on all the same."""
        self._stalled_ms = now_ms() - round((now - self._last_output_at) * 1000)
        self._say(
            "info",
            f"Step “{self._step.name}” has printed nothing "
            f"for {self._stall_seconds:g} s.",
        )
        self._note_change()

    def _end_stall(self) -> None:
        self._last_output_at = time.monotonic()
        if self._stalled_ms is not None:
            self._stalled_ms = None
            self._note_change()

    def _end_silence(self) -> None:
        """A line has come, or the step's end."""
        now = time.monotonic()
        silence_seconds = now - self._last_line_at
        if silence_seconds > self._longest_silence_seconds:
            self._longest_silence_seconds = silence_seconds
        self._last_line_at = now

    # --- Output ---------------------------------------------------------------------

    def _take(self, stream: Stream, lines: list[str], at_ms: int | None = None) -> None:
        """``at_ms``: when they were read, if not now."""
        at_ms = at_ms or now_ms()
        self.has_spoken = True
        if self._stall_seconds is not None:
            self._end_stall()
        before = self.line_count
        if self._are_plain(lines):
            # One after the other they would take three times as long.
            self.lines += [
                (number, at_ms, stream, line)
                for number, line in enumerate(lines, before + 1)
            ]
            self.line_count += len(lines)
            lines = []
        for line in lines:
            if not self._may_speak:
                break
            is_like_one = line[:2] == "::" or line[:1].isspace()
            if is_like_one and (command := parse(line)):
                self._obey(command, line)
            elif self.kind.limits_log and self._is_beyond_limit(line):
                self._dropped_lines += 1
            else:
                self._say(stream, line, at_ms)
        if count := self.line_count - before:
            self._end_silence()
            self._output.take(self.lines[-count:])

    def _are_plain(self, lines: list[str]) -> bool:
        """Return whether lines can be kept as they are: there is nothing to hide, to
        count or to obey."""
        is_watched = self._masks or self.kind.limits_log or not self._may_speak
        return not is_watched and "::" not in "\n".join(lines)

    def _is_beyond_limit(self, line: str) -> bool:
        """Whether a line is one more than the type's log may have. The first one ends
        the task, or the log."""
        if self._is_log_full:
            return True
        self._log_size_bytes += len(line.encode()) + 1
        most_lines, most_bytes = self.kind.max_log_lines, self.kind.max_log_bytes
        if most_lines is not None and self.line_count >= most_lines:
            limit = f"{most_lines:,} lines"
        elif most_bytes is not None and self._log_size_bytes > most_bytes:
            limit = f"{most_bytes:,} bytes"
        else:
            return False
        self._is_log_full = True
        if self.kind.on_log_limit == "fail":
            self.stop("failed", f"The log reached its limit of {limit}.")
        else:
            self._say("info", f"The log ends here, at its limit of {limit}.")
        return True

    def _may_show(self, text: str) -> bool:
        """Whether an unfinished line may be shown: not while it may end within a
        secret, which would be shown by halves."""
        return not self._masks.may_go_on(text)

    def _take_progress(self, pattern: Pattern, texts: list[str]) -> None:
        """Read the percentage from what a step prints, as its type asks. A line that
        takes too long to read is passed over; after some of these the step is."""
        if self._slow_lines >= MOST_SLOW_LINES:
            return
        try:
            for text in texts:
                for found in found_in(pattern, text):
                    self._set_progress(percentage(found))
        except TooSlow:
            self._slow_lines += 1
            if self._slow_lines == 1:
                self._say(
                    "info",
                    "The progress of a line was not read: progress_pattern took more "
                    f"than {LINE_SECONDS:g} s for it.",
                )

    def _obey(self, command: Command, line: str) -> None:
        if command.name != "add-mask" and not command.is_json:
            # Before its escapes are undone, which may make another text of a secret.
            command = parse(self._masks.hide(line)) or command
        match command.name:
            case "progress":
                self._set_progress(int(command.value))
            case "add-mask":
                self._add_mask(command.value)
            case "set-output":
                self._set_output(command)
            case "error":
                self._complaint = command.value
                self._say("error", command.value)
                if self.first_error is None:
                    seq, *_, message = self.lines[-1]
                    self.first_error = Cause(seq, message[:LONGEST_SHOWN])
            case "warning":
                self._say("warning", command.value)
            case "notice":
                self._say("info", command.value)
            case _:  # group, endgroup: readers fold by them
                self._say("info", line)

    def _say(self, level: str, message: str, at_ms: int | None = None) -> None:
        if self._masks:
            message = self._masks.hide(message)
        if "\n" in message or "\r" in message:  # of a parameter, or an escape
            message = message.translate(LINE_ENDS)
        self.line_count += 1
        self.lines.append((self.line_count, at_ms or now_ms(), level, message))

    def _set_output(self, command: Command) -> None:
        """An object adds to the one that an earlier step gave the same name. What only
        claims to be JSON is kept as the text that it is."""
        value: Any = command.value
        if command.is_json:
            with contextlib.suppress(NotJson):
                value = json_of(command.value)
        key, value = self._masks.hide(command.key), self._masks.hide_in(value)
        refusal = self.outputs.put(key, value)
        if refusal and self.outputs.refused <= MOST_REFUSALS_TOLD:
            self._say("info", refusal)

    def _add_mask(self, value: str) -> None:
        """Hide a value from now on; where that can't be done, say so without it."""
        whole = CUT_NOTE.sub("", value)
        try:
            is_hidden = self._masks.add(whole)
        except TooManySecrets:
            self._may_speak = False
            self.stop("failed", TOO_MANY_SECRETS, force=True)
            return
        if not is_hidden:
            self._say(
                "info",
                "::add-mask:: was refused: a value of fewer than "
                f"{LEAST_CHARACTERS} characters would hide too much.",
            )
        elif whole != value:
            self._say(
                "info",
                "::add-mask:: hides only the beginning of a value that is longer than "
                "a line may be.",
            )

    # --- Progress -------------------------------------------------------------------

    def _set_progress(self, percent_of_step: float) -> None:
        """Never backwards, and 100 only at the end."""
        weights = [step.weight for step in self.kind.steps]
        done = sum(weights[: self._step_index])
        done += weights[self._step_index] * percent_of_step / 100
        progress = min(99, int(100 * done / self._total_weight + 0.5))
        if progress > self.progress:
            self.progress = progress
            self._note_change()

    def _note_change(self, *, again: bool = False) -> None:
        """``again``: though it is the same, because a step is tried again."""
        change = (
            self.line_count,
            self._step_index + 1,
            self._step.name,
            self.progress,
            self._stalled_ms,
        )
        if again or self.trail[-1][1:] != change[1:]:
            self.trail.append(change)

    def _environment(self) -> dict[str, str]:
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
            **({"TZ": settings.HOST_TZ} if settings.HOST_TZ else {}),
            "PYTHONUNBUFFERED": "1",
            **({"TERM": TERMINAL} if self._step.pty else {}),
            "DATA_DIR": str(settings.DATA_DIR),
            "TASK_ID": str(self.task_id),
            "TASK_TYPE": self.kind.name,
        }


def percentage(found: Match) -> float:
    """Percent done, from a match of a step's ``progress_pattern``; 0 where it says
    nothing that can be."""
    groups = found.groupdict()
    try:
        if "percent" in groups:
            percent = float(groups["percent"])
        else:
            percent = 100 * float(groups["done"]) / float(groups["total"])
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return percent if 0 <= percent <= 100 else 0.0


def shortened(text: str) -> str:
    """Return a text that lists can carry; the whole is in the log."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
