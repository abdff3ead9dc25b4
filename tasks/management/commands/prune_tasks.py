"""``manage.py prune_tasks``: forget old finished tasks and their logs."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from tasks.management.options import TaskCommand, actor
from tasks.pruning import prune_at_leisure


def count(raw: str) -> int:
    if not raw.isdecimal():
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number from 0 on")
    return int(raw)


class Command(TaskCommand):
    help = (
        "Delete finished tasks beyond the newest TASK_RETENTION, with their logs. "
        "Waiting, running and pinned tasks stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--keep", type=count, default=None, help="instead of TASK_RETENTION"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        keep = options["keep"]
        if keep is None:
            keep = settings.TASK_RETENTION
            if not keep:
                raise CommandError(
                    "TASK_RETENTION is 0, so every task is kept; "
                    "say how many to keep by --keep."
                )
        deleted = prune_at_leisure(keep, actor())
        if options["json"]:
            self.say_json({"deleted": deleted, "kept": keep})
        else:
            self.say(f"Deleted {deleted} finished tasks; the newest {keep} are kept.")
