"""``manage.py cancel_task TASK``"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.lifecycle import request_cancel
from tasks.management.options import TaskCommand, actor, find_task
from tasks.models import StatusConflict, Task
from tasks.representation import describe, urls_of


class Command(TaskCommand):
    help = "Cancel a task: a waiting one at once, a running one with all its processes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("task", metavar="TASK", help="its id, or the beginning")
        parser.add_argument(
            "--force",
            action="store_true",
            help="kill its processes at once, instead of asking them to end first",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        task = find_task(options["task"])
        try:
            task = request_cancel(task.pk, actor(), force=options["force"])
        except StatusConflict as error:
            raise CommandError(
                f"Task {task.pk} has already ended ({error.found}); "
                "only a waiting or running task can be cancelled."
            ) from error
        if options["json"]:
            self.say_json({**describe(task), **urls_of(task)})
        elif task.status == Task.Status.CANCELLED:
            self.say(f"Task {task.pk} is cancelled.")
        else:
            self.say(f"Task {task.pk} is asked to stop.")
