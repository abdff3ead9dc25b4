"""What ends a command with a sentence, and the exit codes."""

from __future__ import annotations

COMPLETED, FAILED, USAGE, REFUSED, CANCELLED, NOBODY_READS = 0, 1, 2, 3, 130, 141
EXIT_CODES = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}


class Stop(Exception):
    """Ends the command: a sentence for a person, and the exit code."""

    def __init__(self, sentence: str, code: int = REFUSED) -> None:
        super().__init__(sentence)
        self.code = code
