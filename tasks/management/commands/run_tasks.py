"""``manage.py run_tasks``: the runner."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.catalog import catalog
from tasks.runner import STORE_PATIENCE_SECONDS, LeaseLost, TaskRunner


def at_least_one(raw: str) -> int:
    if not raw.isdecimal() or not 1 <= int(raw) <= 1000:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number from 1 to 1000")
    return int(raw)


def seconds(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of seconds")
    return value


class Command(BaseCommand):
    help = "Run the queued tasks, until told to stop by SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency", type=at_least_one, default=4, help="tasks at a time (4)"
        )
        parser.add_argument(
            "--types", default="", help="only these, with commas between (all)"
        )
        parser.add_argument("--name", default="", help="shown to people (host-pid)")
        parser.add_argument(
            "--drain",
            type=seconds,
            default=0.0,
            help="seconds for running tasks to finish after SIGTERM (0)",
        )
        parser.add_argument(
            "--patience",
            type=seconds,
            default=STORE_PATIENCE_SECONDS,
            help="seconds that tasks wait while their output can't be stored, before "
            "they are stopped (300)",
        )
        parser.add_argument(
            "--once", action="store_true", help="stop when nothing is left to do"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        types = [name.strip() for name in options["types"].split(",") if name.strip()]
        if unknown := [name for name in types if name not in catalog()]:
            there = ", ".join(sorted(catalog()))
            raise CommandError(
                f"--types: there is no task type {unknown[0]!r}; there are: {there}."
            )
        runner = TaskRunner(
            name=options["name"],
            concurrency=options["concurrency"],
            types=types,
            drain_seconds=options["drain"],
            store_patience_seconds=options["patience"],
        )
        try:
            runner.run(once=options["once"])
        except LeaseLost:
            self.stderr.write("The lease was lost; a new runner has to start.")
            sys.exit(1)
