"""The log of one execution: its lines, numbered, masked and limited."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tasks.catalog.task_type import TaskType
from tasks.logs.store import Row
from tasks.reasons import Reason
from tasks.runner.output.workflow_commands import Command, parse
from tasks.runner.process import Stream
from tasks.secrets.masking import Masks

LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})  # a message is one line


class Log:
    """The lines of an execution that are not stored yet.

    lines          (number, milliseconds since 1970, level, message), numbered from 1
                   (or behind ``first_seq``) without a hole
    count          the number of the last one
    dropped_lines  how many were beyond the type's limit
    limit_reached  the reason to stop where it reached the type's limit, or None
    is_mute        nothing more of the program is taken: it can't be shown without its
                   secrets
    """

    def __init__(self, kind: TaskType, masks: Masks, first_seq: int = 0) -> None:
        self.masks = masks
        self.lines: list[Row] = []
        self.count = first_seq
        self.dropped_lines = 0
        self.limit_reached: Reason | None = None
        self.is_mute = False
        self._kind = kind
        self._size_bytes = 0

    def as_carried(self) -> dict[str, Any]:
        """Return, as JSON, how far its limits are, for who goes on with it."""
        limit = self.limit_reached
        return {
            "bytes": self._size_bytes,
            "dropped": self.dropped_lines,
            "limit": limit and limit.as_json(),
        }

    def go_on(self, carried: Mapping[str, Any]) -> None:
        """Go on from what ``as_carried()`` returned."""
        self._size_bytes, self.dropped_lines = carried["bytes"], carried["dropped"]
        if carried["limit"]:
            self.limit_reached = Reason.of(carried["limit"])

    def say(self, level: str, message: str, at_ms: int | None = None) -> None:
        """Add a line; ``at_ms``: when it was read, if not now."""
        if self.masks:
            message = self.masks.hide(message)
        if "\n" in message or "\r" in message:  # of a parameter, or an escape
            message = message.translate(LINE_ENDS)
        self.count += 1
        self.lines.append((self.count, at_ms or now_ms(), level, message))

    def take(
        self,
        stream: Stream,
        lines: list[str],
        at_ms: int | None,
        obey: Callable[[Command, str], None],
    ) -> int:
        """Add what a program printed, but for its workflow commands, which ``obey`` is
        given. Return how many lines there are more."""
        at_ms = at_ms or now_ms()
        before = self.count
        if self._are_plain(lines):
            # One after the other they would take three times as long.
            self.lines += [
                (number, at_ms, stream, line)
                for number, line in enumerate(lines, before + 1)
            ]
            self.count += len(lines)
            return len(lines)
        for line in lines:
            if self.is_mute:
                break
            is_like_one = line[:2] == "::" or line[:1].isspace()
            if is_like_one and (command := parse(line)):
                obey(command, line)
            elif self._kind.limits_log and self._is_beyond_limit(line):
                self.dropped_lines += 1
            else:
                self.say(stream, line, at_ms)
        return self.count - before

    def lose(self, kept: int) -> None:
        """Forget the lines behind the first ``kept``, which can't be stored."""
        self.lines.clear()
        self.count = kept

    def may_show(self, text: str) -> bool:
        """Return whether an unfinished line may be shown: not while it may end within
        a secret, which would be shown by halves."""
        return not self.masks.may_go_on(text)

    def _are_plain(self, lines: list[str]) -> bool:
        """Return whether lines can be kept as they are: there is nothing to hide, to
        count or to obey."""
        is_watched = self.masks or self._kind.limits_log or self.is_mute
        return not is_watched and "::" not in "\n".join(lines)

    def _is_beyond_limit(self, line: str) -> bool:
        """Return whether a line is one more than the type's log may have."""
        if self.limit_reached:
            return True
        self._size_bytes += len(line.encode()) + 1
        most_lines, most_bytes = self._kind.max_log_lines, self._kind.max_log_bytes
        if most_lines is not None and self.count >= most_lines:
            unit, most = "lines", most_lines
        elif most_bytes is not None and self._size_bytes > most_bytes:
            unit, most = "bytes", most_bytes
        else:
            return False
        self.limit_reached = Reason("log-limit-reached", **{unit: most})
        if self._kind.on_log_limit != "fail":
            self.say("info", f"The log ends here, at its limit of {most:,} {unit}.")
        return True


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
