"""One task's walk through its steps: children in, lines and changes out.

Knows no database. The runner calls it when a pipe is readable, when a child may
have exited, or when a deadline has come; what has piled up in ``lines`` and in the
task's own state is stored by the runner.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from tasks.approvals.asking import Question
from tasks.catalog.task_type import NoValue, Step, TaskType
from tasks.logs.own_lines import own_line
from tasks.logs.store import Row
from tasks.reasons import Reason
from tasks.reruns import TakenOver
from tasks.runner import results, sentences
from tasks.runner.output.causes import Cause, Output, was_ended_by_others
from tasks.runner.output.log import Log
from tasks.runner.output.pipes import Piece
from tasks.runner.output.spoken import Spoken
from tasks.runner.output.summary import Summary
from tasks.runner.process import Child, Stream
from tasks.runner.program import program_of
from tasks.runner.silence import Silence
from tasks.runner.trail import Change, Trail
from tasks.runner.values import Values
from tasks.shim.client import ForkServer
from tasks.shim.start_failures import NOT_EXECUTABLE, limit_met

RETRY_SECONDS = 1.0  # before the first retry; doubled for each further one
MAX_RETRY_SECONDS = 60.0

Outcome = Literal["completed", "failed", "cancelled", "blocked"]


class Execution:
    """A running task. Started by the first ``advance()``.

    lines    those of its log that the runner has not stored yet
    trail    each change of step, progress or stall (``tasks.runner.trail``)
    outcome  None until the end, then with the ``reason`` of it, or None where it
             completed; or blocked, with the ``question`` that it asks
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
        from_step: int = 1,
        taken_over: TakenOver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``first_seq``, ``trail``, ``progress``: where it goes on, if it ran before:
        behind that line, with the trail that the claim left, never back. ``from_step``:
        where it starts, with what it takes over of the steps before."""
        self.task_id, self.kind, self._fork_server = task_id, kind, fork_server
        self._clock = clock
        self.values = Values(task_id, kind, params)
        self.log = Log(kind, self.values.masks, first_seq)
        self._trail = Trail(kind, trail, progress)
        self._silence = Silence(clock)
        self.outcome: Outcome | None = None
        self.reason: Reason | None = None
        self.question: Question | None = None
        taken = taken_over or {"results": [], "outputs": {}}
        self.results = list(taken["results"])
        self._approved_sha256 = taken.get("approvedSha256")
        self.child: Child | None = None
        self._step_index = from_step - 1  # of the step that runs or comes next, from 0
        self._attempt = 1
        self._retry_at: float | None = None
        self._step_started_at = self._clock()
        self._started_at = self._clock() - taken.get("seconds", 0.0)
        self._stop: tuple[Outcome, Reason] | None = None
        self._step_timed_out = False
        self.has_spoken = False  # any program of it
        self._output = Output()  # of the attempt that runs
        fail_at_once = partial(self.stop, "failed", force=True)
        self._spoken = Spoken(self.log, self._set_progress, fail_at_once)
        results.go_on(taken, self._spoken, self.log)

    # --- What the runner calls ------------------------------------------------------

    def advance(self) -> None:
        """Do whatever is due: start the next step, enforce deadlines, end."""
        if self.outcome is not None:
            return
        self._check_deadlines()
        if self.child is not None:
            self.child.press_on()
            for stream, text in self.child.prompts(self.log.may_show):
                self._take(stream, [text])
            if self.child.is_over():
                self._finish_step(self.child)
        if self.child is None and self.outcome is None:
            if self._stop is not None:
                self._end(*self._stop)
            elif self._retry_at is None or self._clock() >= self._retry_at:
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
            texts = [*lines[-1:], self.child.unfinished(fd)]
            self._spoken.read_progress(pattern, texts)

    def stop(self, outcome: Outcome, reason: Reason, *, force: bool = False) -> None:
        """End as soon as the running step's processes are gone; by ``force`` they get
        no grace. The first reason stays."""
        if self._stop is None:
            self._stop = (outcome, reason)
            if self.outcome == "blocked":  # and that is not stored yet
                self.outcome = self.question = None
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
        reason = Reason("lines-lost", lines=len(self.lines), seq=kept, cause=why)
        self.kill()
        self.log.lose(kept)
        del self.trail[kept_changes:]
        self._end("failed", reason)

    @property
    def summary(self) -> Summary:
        return self._spoken.summary

    @property
    def lines(self) -> list[Row]:
        return self.log.lines

    @property
    def line_count(self) -> int:
        return self.log.count

    @property
    def trail(self) -> list[Change]:
        return self._trail.changes

    @property
    def progress(self) -> int:
        return self._trail.progress

    @property
    def next_deadline(self) -> float | None:
        """Return when, by its clock, ``advance`` has something to do by the clock."""
        times = [
            self.child.next_deadline if self.child else None,
            self._retry_at,
            self._task_deadline if self._stop is None else None,
            self._step_deadline if self._stop is None else None,
            self._stall_deadline if self._stop is None else None,
        ]
        return min((moment for moment in times if moment is not None), default=None)

    @property
    def error(self) -> str | None:
        """Return the task's ``error``: its reason in one English sentence."""
        return sentences.shortened(str(self.reason)) if self.reason else None

    @property
    def result(self) -> dict[str, Any]:
        """The task's ``result``, as API.md shows it."""
        success = self.outcome == "completed"
        return results.result_of(self.results, self._spoken, success=success)

    @property
    def taken_over(self) -> TakenOver:
        """What the execution behind an approval begins with."""
        seconds = self._clock() - self._started_at
        return results.taken_over_of(self.results, self._spoken, self.log, seconds)

    # --- Steps ----------------------------------------------------------------------

    @property
    def _step(self) -> Step:
        return self.kind.steps[self._step_index]

    @property
    def _command(self) -> str:
        """The running step's, as people read it."""
        return self._step.shown(self.values.shown, self.log.masks.hide)

    def _start_step(self) -> None:
        step = self._step
        self._spoken.begin_step(again=self._attempt > 1)
        self._step_timed_out = False
        self._output = Output()
        self._step_started_at = self._clock()
        self._silence.begin()
        self._note_change(again=self._attempt > 1)
        if step.approval is not None:
            number = self._step_index + 1
            self.question = results.ask(step, number, self.values, self.log)
            self.outcome = "blocked"
            return
        try:
            self.log.say("info", own_line("step-begins", command=self._command))
            program = program_of(
                step, self.kind, self.values.real, self.task_id, self._approved_sha256
            )
        except NoValue as missing:
            reason = Reason("step-not-started", step=step.name, reason=missing.reason)
            self._end("failed", reason)
            return
        try:
            self.child = Child(self._fork_server, program, self.log.masks.hide_cut)
        except OSError as error:  # a limit of the system's, which others may not meet
            self._spoken.complaint = limit_met(program.argv[0], error)
            self._judge(NOT_EXECUTABLE, {})

    def _finish_step(self, child: Child) -> None:
        for stream, lines in child.rest():
            self._take(stream, lines)
        self.child = None
        self._end_stall()
        self._silence.line_came()
        if child.killed and self._stop is None and not self._step_timed_out:
            self.log.say("info", sentences.left_behind(self._step, child.killed))
        if child.left:
            self.log.say("error", sentences.not_killed(child.left))
        if child.refusal is not None:
            self._spoken.complaint, status = child.refusal
            self._judge(status, child.usage)
        else:
            assert child.status is not None  # noqa: S101 (it is over)
            self._spoken.complaint = self._spoken.complaint or child.why or ""
            self._judge(child.status, child.usage)

    def _judge(self, status: int, usage: Mapping[str, float]) -> None:
        """Record how a step ended, and decide what comes next."""
        step = self._step
        self.results.append(
            results.entry_of(
                step,
                self._command,
                status,
                self._attempt,
                self._clock() - self._step_started_at,
                self._silence.longest_seconds,
                usage,
                self._spoken.outputs.of_attempt(),
            )
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
            self._retry_at = self._clock() + delay
            retry = sentences.another_attempt(step, problem, self._attempt, delay)
            self.log.say("info", retry)
        elif step.continue_on_error:
            self.log.say("info", own_line("may-fail", problem=problem))
            self._go_on()
        else:
            self._spoken.first_error = self._spoken.first_error or cause
            self._end("failed", problem)

    def _go_on(self) -> None:
        self._step_index += 1
        self._attempt = 1
        if self._step_index == len(self.kind.steps):
            self._end("completed", None)
        else:
            self._set_progress(0)

    def _end(self, outcome: Outcome, reason: Reason | None) -> None:
        self.reason = reason and reason.with_texts(self._as_stored)
        results.say_what_is_left_out(self.log, self._spoken)
        if reason is None:
            seconds = self._clock() - self._started_at
            steps = len(self.kind.steps)
            self.log.say("success", sentences.completed(steps, seconds))
            self._trail.progress = 100
        else:
            self.log.say("error", str(reason))
        self.outcome = outcome

    def _as_stored(self, text: str) -> str:
        return sentences.shortened(self.log.masks.hide(text))

    def _problem(self, status: int, cause: Cause | None) -> Reason:
        said = self._spoken.complaint
        if self._step_timed_out:
            return sentences.step_timed_out(self._step)
        because = said or (cause.message if cause else "")
        return sentences.step_failed(self._step, status, because, is_certain=bool(said))

    def _cause(self, status: int) -> Cause | None:
        """Return what the program printed of its failure; None where it is not to be
        looked for, because somebody said it by ::error::, or ended the program."""
        is_known = self._spoken.complaint or self._step_timed_out
        return None if is_known or was_ended_by_others(status) else self._output.cause()

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
        now = self._clock()
        if self._task_deadline is not None and now >= self._task_deadline:
            seconds = self.kind.timeout_seconds or 0
            self.stop("failed", Reason("timed-out", seconds=seconds))
        if self._step_deadline is not None and now >= self._step_deadline:
            self._step_timed_out = True
            if self.child is not None:
                self.child.stop(self.kind.stop_grace_seconds)
        if self._stall_deadline is not None and now >= self._stall_deadline:
            if self.child is not None and self.child.has_more():
                self._silence.heard(now)  # it is not silent, only not heard yet
            else:
                self._note_stall(now)

    @property
    def _stall_seconds(self) -> float | None:
        return self._step.stall_seconds or self.kind.stall_seconds

    @property
    def _stall_deadline(self) -> float | None:
        if self.child is None or self._silence.stalled_ms is not None:
            return None
        limit = self._stall_seconds
        return None if limit is None else self._silence.last_output_at + limit

    def _note_stall(self, now: float) -> None:
        """Say that the step is silent; it goes on all the same."""
        self._silence.stall(now)
        self.log.say("info", sentences.silent(self._step, self._stall_seconds))
        self._note_change()

    def _end_stall(self) -> None:
        if self._silence.end_stall():
            self._note_change()

    # --- Output ---------------------------------------------------------------------

    def _take(self, stream: Stream, lines: list[str], at_ms: int | None = None) -> None:
        """``at_ms``: when they were read, if not now."""
        self.has_spoken = True
        if self._stall_seconds is not None:
            self._end_stall()
        if count := self.log.take(stream, lines, at_ms, self._spoken.obey):
            self._silence.line_came()
            self._output.take(self.lines[-count:])
        if (reason := self.log.limit_reached) and self.kind.on_log_limit == "fail":
            self.stop("failed", reason)

    # --- Progress -------------------------------------------------------------------

    def _set_progress(self, percent_of_step: float) -> None:
        if self._trail.set_progress(percent_of_step, self._step_index):
            self._note_change()

    def _note_change(self, *, again: bool = False) -> None:
        """``again``: though it is the same, because a step is tried again."""
        stalled_ms = self._silence.stalled_ms
        self._trail.note(self.line_count, self._step_index, stalled_ms, again=again)
