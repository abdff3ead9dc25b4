"""``manage.py list_tasks``: the newest tasks, one a line."""

import argparse
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import localtime

from tasks.management.options import TaskCommand
from tasks.models import Task, load_schedules
from tasks.representation import describe, urls_of
from tasks.waiting import waiting_for_all


def at_least_one(raw: str) -> int:
    if not raw.isdecimal() or int(raw) < 1:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number above 0")
    return int(raw)


class Command(TaskCommand):
    help = "List tasks, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--status", choices=Task.Status.values)
        parser.add_argument("--type")
        parser.add_argument("--limit", type=at_least_one, default=20)

    def handle(self, *_: Any, **options: Any) -> None:
        tasks = Task.objects.short().newest_first()
        for name in ("status", "type"):
            if options[name]:
                tasks = tasks.filter(**{name: options[name]})
        page = list(tasks[: options["limit"]])
        waiting = waiting_for_all(page) if options["json"] else {}
        load_schedules(page if options["json"] else ())
        for task in page:
            if options["json"]:
                shown = describe(task, waiting=waiting)
                self.say_json({**shown, **urls_of(task)})
            else:
                created = localtime(task.created_at)
                self.say(
                    f"{task.pk}  {created:%Y-%m-%d %H:%M:%S}  {task.status:9}  "
                    f"{task.progress:3}%  {task.type} {task.version}".rstrip()
                )
