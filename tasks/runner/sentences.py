"""What a runner says of a task: the reason why a step failed, and lines for the log,
which are English for programs and people alike."""

import signal

from tasks.catalog.task_type import Step
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


def left_behind(step: Step, killed: int) -> str:
    count = "1 process" if killed == 1 else f"{killed} processes"
    were = "it was" if killed == 1 else "they were"
    return f"Step “{step.name}” left {count} behind; {were} killed."


def outputs_refused(count: int) -> str:
    return f"{count:,} more {'output was' if count == 1 else 'outputs were'} refused."


def lines_not_kept(count: int) -> str:
    return f"{count:,} more {'line was' if count == 1 else 'lines were'} not kept."


def completed(steps: int, seconds: float) -> str:
    return (
        f"Completed {'1 step' if steps == 1 else f'{steps} steps'} in {seconds:.1f} s."
    )


def shortened(text: str) -> str:
    """Return a text that lists can carry; the whole is in the log."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
