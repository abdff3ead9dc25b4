"""Requests that a step's program makes by what it prints: workflow commands, and its
progress in lines of its own."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tasks.catalog.patterns import LINE_SECONDS, Pattern, TooSlow, found_in
from tasks.reasons import Reason
from tasks.runner.output.causes import LONGEST_SHOWN, Cause
from tasks.runner.output.line_splitter import CUT_NOTE
from tasks.runner.output.log import Log
from tasks.runner.output.outputs import MOST_REFUSALS_TOLD, Outputs
from tasks.runner.output.summary import CUT, Summary
from tasks.runner.output.workflow_commands import Command, NotJson, json_of, parse
from tasks.runner.trail import percentage
from tasks.secrets.masking import LEAST_CHARACTERS, MOST_TEXTS, TooManySecrets

MOST_SLOW_LINES = 3  # others wait for each: LINE_SECONDS


class Spoken:
    """What the programs of a task have asked for.

    complaint    the step's last ::error::, or why its program could not start
    first_error  the first ::error::, or what made the task fail; never the service's
                 words
    """

    def __init__(
        self,
        log: Log,
        set_progress: Callable[[float], None],
        fail: Callable[[Reason], None],
    ) -> None:
        """``set_progress`` takes percents of the running step; ``fail`` ends the task
        at once."""
        self._log, self._set_progress, self._fail = log, set_progress, fail
        self.outputs = Outputs()
        self.summary = Summary()
        self.complaint: str | Reason = ""
        self.first_error: Cause | None = None
        self._slow_lines = 0  # whose progress took too long to read

    def take_over(
        self,
        outputs: Mapping[str, Any],
        first_error: Mapping[str, Any] | None = None,
        summary: str | None = None,
    ) -> None:
        """Begin with what steps said that ran before, in another execution."""
        self.outputs.take_over(outputs)
        if first_error:
            self.first_error = Cause(**first_error)
        if summary:
            self.summary.take_over(summary)

    def begin_step(self, *, again: bool) -> None:
        """Forget what was said of the step before; ``again``: of its last attempt."""
        self.complaint = ""
        self.summary.begin_step(again=again)

    def obey(self, command: Command, line: str) -> None:
        """Carry out a workflow command, which a line is."""
        if command.name != "add-mask" and not command.is_json:
            # Before its escapes are undone, which may make another text of a secret.
            command = parse(self._log.masks.hide(line)) or command
        match command.name:
            case "progress":
                self._set_progress(int(command.value))
            case "add-mask":
                self._add_mask(command.value)
            case "set-output":
                self._set_output(command)
            case "summary":
                self._add_to_summary(command.value)
            case "error":
                self.complaint = command.value
                self._log.say("error", command.value)
                if self.first_error is None:
                    seq, *_, message = self._log.lines[-1]
                    self.first_error = Cause(seq, message[:LONGEST_SHOWN])
            case "warning":
                self._log.say("warning", command.value)
            case "notice":
                self._log.say("info", command.value)
            case _:  # group, endgroup: readers fold by them
                self._log.say("info", line)

    def read_progress(self, pattern: Pattern, texts: Iterable[str]) -> None:
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
                self._log.say(
                    "info",
                    "The progress of a line was not read: progress_pattern took more "
                    f"than {LINE_SECONDS:g} s for it.",
                )

    def _set_output(self, command: Command) -> None:
        """An object adds to the one that an earlier step gave the same name. What only
        claims to be JSON is kept as the text that it is."""
        value: Any = command.value
        if command.is_json:
            with contextlib.suppress(NotJson):
                value = json_of(command.value)
        masks = self._log.masks
        refusal = self.outputs.put(masks.hide(command.key), masks.hide_in(value))
        if refusal and self.outputs.refused <= MOST_REFUSALS_TOLD:
            self._log.say("info", refusal)

    def _add_to_summary(self, text: str) -> None:
        whole = CUT_NOTE.sub("", text)
        shown = self._log.masks.hide(whole)  # escapes may have hidden a secret
        if self.summary.add(shown, is_whole=whole == text):
            self._log.say("warning", CUT)

    def _add_mask(self, value: str) -> None:
        """Hide a value from now on; where that can't be done, say so without it."""
        whole = CUT_NOTE.sub("", value)
        try:
            is_hidden = self._log.masks.add(whole)
        except TooManySecrets:
            # Rather than go on and print what can't be hidden.
            self._log.is_mute = True
            self._fail(Reason("too-many-secrets", count=MOST_TEXTS))
            return
        if not is_hidden:
            self._log.say(
                "info",
                "::add-mask:: was refused: a value of fewer than "
                f"{LEAST_CHARACTERS} characters would hide too much.",
            )
        elif whole != value:
            self._log.say(
                "info",
                "::add-mask:: hides only the beginning of a value that is longer than "
                "a line may be.",
            )
