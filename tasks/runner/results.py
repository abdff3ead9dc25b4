"""What an execution comes to: an entry for each attempt of a step, the task's result,
and what it leaves to the execution that goes on behind an approval."""

from collections.abc import Mapping
from typing import Any

from tasks.approvals.asking import Question
from tasks.catalog.task_type import Step, fill
from tasks.logs.own_lines import own_line
from tasks.reruns import TakenOver
from tasks.runner import sentences
from tasks.runner.output.log import Log
from tasks.runner.output.outputs import MOST_REFUSALS_TOLD
from tasks.runner.output.spoken import Spoken
from tasks.runner.values import Values

Results = list[dict[str, Any]]


def entry_of(
    step: Step,
    command: str,
    status: int,
    attempt: int,
    seconds: float,
    silence_seconds: float,
    usage: Mapping[str, float],
    outputs: list[str],
) -> dict[str, Any]:
    """Return what an attempt of a step came to; ``status``: negative for a signal."""
    return {
        "name": step.name,
        "command": sentences.shortened(command),
        "exitCode": 128 - status if status < 0 else status,
        "signal": sentences.signal_name(-status) if status < 0 else None,
        "durationMs": round(seconds * 1000),
        "longestSilenceMs": round(silence_seconds * 1000),
        "attempt": attempt,
        "maxRssBytes": usage.get("maxRssBytes"),
        "cpuSeconds": usage.get("cpuSeconds"),
        "outputs": outputs,
    }


def ask(step: Step, number: int, values: Values, log: Log) -> Question:
    """Say that a step awaits an approval; return what it asks."""
    wanted = step.approval
    assert wanted is not None  # noqa: S101 (that is why it asks)
    log.say("info", own_line("approval-asked", groups=", ".join(wanted.by)))
    message = log.masks.hide(fill(wanted.message, values.shown))
    if message:
        log.say("info", message)
    return Question(number, step.name, wanted, message)


def say_what_is_left_out(log: Log, spoken: Spoken) -> None:
    """Say at the end how many outputs and lines were more than are kept."""
    if (count := spoken.outputs.refused - MOST_REFUSALS_TOLD) > 0:
        log.say("info", sentences.outputs_refused(count))
    if count := log.dropped_lines:
        log.say("info", sentences.lines_not_kept(count))


def result_of(results: Results, spoken: Spoken, *, success: bool) -> dict[str, Any]:
    """Return a task's ``result``, as API.md shows it."""
    result: dict[str, Any] = {"success": success, "results": results}
    if spoken.first_error is not None:
        result["firstError"] = spoken.first_error._asdict()
    if spoken.outputs.values:
        result["outputs"] = spoken.outputs.values
    return result


def taken_over_of(
    results: Results, spoken: Spoken, log: Log, seconds: float
) -> TakenOver:
    """Return what a task goes on with that waits for an approval: as a rerun from a
    later step does, and besides how far its limits are."""
    taken: TakenOver = {
        "results": results,
        "outputs": spoken.outputs.values,
        "seconds": seconds,
        "log": log.as_carried(),
    }
    if spoken.first_error is not None:
        taken["firstError"] = spoken.first_error._asdict()
    if text := spoken.summary.text:
        taken["summary"] = text
    return taken


def go_on(taken: TakenOver, spoken: Spoken, log: Log) -> None:
    """Begin with what was taken over."""
    spoken.take_over(taken["outputs"], taken.get("firstError"), taken.get("summary"))
    if "log" in taken:
        log.go_on(taken["log"])
