"""``manage.py prune_tasks``: forget old finished tasks and their logs."""

import argparse
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.catalog.quantities import (
    TAKES_AGE,
    TAKES_SIZE,
    age_limit,
    count_limit,
    size_limit,
)
from tasks.catalog.task_type import Retention
from tasks.management.options import TaskCommand, actor
from tasks.pruning import prune_at_leisure
from tasks.retention.forecast import doomed
from tasks.retention.limits import AGE, COUNT, Limit, limits
from tasks.timestamps import iso

TAKES_KEEP = "a whole number of finished tasks to keep; 0 for none"
WORDS = {
    COUNT: "not among the newest {limit}{of}",
    AGE: "ended more than {limit} ago{of}",
}
OTHER_WORDS = "beyond {limit} of logs{of}"


def option(parse: Callable[[str], int], takes: str) -> Callable[[str], int]:
    def parsed(raw: str) -> int:
        try:
            return parse(raw)
        except ValueError:
            problem = f"{raw!r} is not valid; expected {takes}"
            raise argparse.ArgumentTypeError(problem) from None

    return parsed


class Command(TaskCommand):
    help = (
        "Delete finished tasks, with their logs, that are beyond TASK_RETENTION, "
        "TASK_RETENTION_AGE and TASK_RETENTION_SIZE, or beyond what their type says. "
        "Waiting, running and pinned tasks stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        given: tuple[tuple[str, str, Callable[[str], int], str], ...] = (
            ("--keep", "TASK_RETENTION", count_limit, TAKES_KEEP),
            ("--age", "TASK_RETENTION_AGE", age_limit, TAKES_AGE),
            ("--size", "TASK_RETENTION_SIZE", size_limit, TAKES_SIZE),
        )
        for name, variable, parse, takes in given:
            parser.add_argument(
                name,
                type=option(parse, takes),
                default=None,
                metavar=name[2:].upper(),
                help=f"instead of {variable}: {takes}",
            )
        parser.add_argument(
            "--type",
            help="only tasks of this type, and by the options alone",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="delete nothing, and say what would be deleted and why",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        found = self._limits(options)
        if options["dry_run"]:
            self._foretell(found, options)
            return
        pruned = prune_at_leisure(found, actor())
        if options["json"]:
            self.say_json(
                {
                    "deleted": pruned.tasks,
                    "kept": next((e.value for e in found if _is_general_count(e)), 0),
                    "lines": pruned.lines,
                    "freedBytes": pruned.freed_bytes,
                }
            )
        else:
            self.say(
                f"Deleted {pruned.tasks} finished tasks and {pruned.lines:,} lines; "
                f"kept are {_kept(found)}."
            )

    def _limits(self, options: dict[str, Any]) -> list[Limit]:
        given = Retention(options["keep"], options["age"], options["size"])
        if options["type"] is not None and given == Retention():
            raise CommandError(
                "--type needs to be told what is kept: --keep, --age or --size."
            )
        found = limits(given, options["type"])
        if not found:
            raise CommandError(
                "TASK_RETENTION is 0, and there is no other limit, so every task is "
                "kept; say how many to keep by --keep, or see --age and --size."
            )
        return found

    def _foretell(self, found: list[Limit], options: dict[str, Any]) -> None:
        tasks = lines = size = 0
        for task, task_bytes in doomed(found):
            tasks, lines, size = tasks + 1, lines + task.lines, size + task_bytes
            if options["json"]:
                self.say_json(
                    {
                        "id": str(task.pk),
                        "type": task.type,
                        "completedAt": iso(task.ended),
                        "reason": task.limit.kind,
                        "limit": task.limit.text,
                        "lines": task.lines,
                        "bytes": task_bytes,
                    }
                )
            else:
                self.say(
                    f"{task.pk}  {task.type}  {iso(task.ended)}  {task.lines:,} lines, "
                    f"{task_bytes:,} bytes  {_why(task.limit)}"
                )
        if options["json"]:
            self.say_json({"wouldDelete": tasks, "lines": lines, "bytes": size})
        else:
            self.say(
                f"Nothing was deleted. {tasks} finished tasks would be, with "
                f"{lines:,} lines ({size:,} bytes); kept are {_kept(found)}."
            )


def _is_general_count(limit: Limit) -> bool:
    return limit.kind == COUNT and limit.for_others


def _of(limit: Limit) -> str:
    return "" if limit.for_others else f" of {limit.types[0]}"


def _why(limit: Limit) -> str:
    words = WORDS.get(limit.kind, OTHER_WORDS)
    return words.format(limit=limit.text, of=_of(limit))


def _kept(found: list[Limit]) -> str:
    """Return what stays, in words."""
    words = {COUNT: "the newest {limit}{of}", AGE: "those of the last {limit}{of}"}
    return " and ".join(
        words.get(limit.kind, "{limit} of logs{of}").format(
            limit=limit.text, of=_of(limit)
        )
        for limit in found
    )
