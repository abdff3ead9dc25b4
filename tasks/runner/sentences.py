"""What a runner says of a task: the reason why a step failed, and lines for the log,
which are English for programs and people alike."""

import signal
from collections.abc import Iterable

from tasks.catalog.task_type import Step
from tasks.logs.own_lines import own_line
from tasks.reasons import Reason

LONGEST_TEXT = 4_000  # characters of an error, or of a command in the result


def step_failed(
    step: Step, status: int, because: str | Reason, *, is_certain: bool
) -> Reason:
    """Return why a step failed: by its exit status (negative: a signal), and by what
    it printed itself; ``is_certain`` where that is no guess from its last lines."""
    why: dict[str, str | Reason] = {"reason": because} if because else {}
    if status < 0:
        signal = signal_name(-status)
        return Reason("step-killed", step=step.name, signal=signal, **why)
    code = "step-failed"
    if status in {126, 127} and is_certain:
        code = "step-could-not-start"
    return Reason(code, step=step.name, exitCode=status, **why)


def step_timed_out(step: Step) -> Reason:
    return Reason("step-timed-out", step=step.name, seconds=step.timeout_seconds or 0)


def another_attempt(step: Step, problem: Reason, attempt: int, delay: float) -> str:
    return own_line(
        "another-attempt",
        problem=problem,
        attempt=attempt,
        attempts=step.retries + 1,
        seconds=f"{delay:g}",
    )


def left_behind(step: Step, killed: int) -> str:
    name = "process-left-behind" if killed == 1 else "processes-left-behind"
    return own_line(name, step=step.name, count=killed)


def not_killed(pids: Iterable[int]) -> str:
    return own_line("processes-not-killed", pids=", ".join(map(str, pids)))


def silent(step: Step, seconds: float | None) -> str:
    return own_line("silent", step=step.name, seconds=f"{seconds:g}")


def outputs_refused(count: int) -> str:
    name = "output-refused" if count == 1 else "outputs-refused"
    return own_line(name, count=f"{count:,}")


def lines_not_kept(count: int) -> str:
    name = "line-not-kept" if count == 1 else "lines-not-kept"
    return own_line(name, count=f"{count:,}")


def completed(steps: int, seconds: float) -> str:
    name = "step-completed" if steps == 1 else "steps-completed"
    return own_line(name, count=steps, seconds=f"{seconds:.1f}")


def shortened(text: str) -> str:
    """Return a text that lists can carry; the whole is in the log."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
