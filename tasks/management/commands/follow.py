"""``manage.py follow TASK``: print a task's log from the first line to the end."""

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.timezone import localtime

from tasks.logs.store import Line, as_json
from tasks.management.following import EXIT_CODES, follow
from tasks.management.options import TaskCommand, find_task
from tasks.models import LogLine, Task
from tasks.representation import describe, summary_of


class Command(TaskCommand):
    help = (
        "Print a task's log from the first line on, until it has ended. "
        "Exit code 0: completed, 1: failed, 2: cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("task", metavar="TASK", help="its id, or the beginning")
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        self.follow(find_task(options["task"]), as_json_lines=options["json"])

    def follow(self, task: Task, *, as_json_lines: bool) -> None:
        """Print until the end, then leave with the exit code of the outcome."""
        show = self._json if as_json_lines else self._text
        try:
            ended = follow(task.pk, show, show)
        except KeyboardInterrupt:
            self.stderr.write(f"Task {task.pk} goes on; see it by: follow {task.pk}")
            sys.exit(130)
        if ended is None:
            raise CommandError(f"Task {task.pk} was deleted.")
        sys.exit(EXIT_CODES[Task.Status(ended.status)])

    def _json(self, what: Line | Task) -> None:
        if isinstance(what, Line):
            self.say_json({"type": "log", "log": as_json(what)})
        else:
            shown = {**describe(what), "summary": summary_of(what)}
            self.say_json({"type": "update", "task": shown})

    def _text(self, what: Line | Task) -> None:
        if isinstance(what, Line):
            moment = localtime(LogLine(at_ms=what.at_ms).timestamp)
            self.say(f"{moment:%H:%M:%S} {what.level:7} {what.message}")
        else:
            step = f", step {what.step_index} of {what.step_count}: {what.step_name}"
            where = step if what.step_index else ""
            is_cancelling = what.cancel_requested_at and not what.has_ended
            status = "cancelling" if is_cancelling else what.status
            silent = ", silent" if what.stalled_since else ""
            self.say(f"-- {status} {what.progress}%{where}{silent}")
            if what.has_ended and (summary := summary_of(what)):
                for line in summary.split("\n"):
                    self.say(line)
            if what.error:
                self.say(f"-- {what.error}")
