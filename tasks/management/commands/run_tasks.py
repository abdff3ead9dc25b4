"""``manage.py run_tasks``: the runner."""

import argparse
import logging
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from tasks.catalog.labels import TAKES_LABEL, is_label
from tasks.catalog.loader import catalog
from tasks.databases.errors import in_one_line
from tasks.instruments import exchange
from tasks.management.options import OUR_CHECKS
from tasks.models import PATIENCE_SECONDS
from tasks.notifications import connection_of_its_own
from tasks.runner.loop import TaskRunner
from tasks.runner.open_files import TooFewOpenFiles, make_room_for
from tasks.runner.registration import types_taken
from tasks.shim.client import LeaseLost

logger = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 1.0


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


def labels(raw: str) -> list[str]:
    found = [label.strip() for label in raw.split(",") if label.strip()]
    if wrong := [label for label in found if not is_label(label)]:
        raise argparse.ArgumentTypeError(
            f"{wrong[0]!r} is no label; expected {TAKES_LABEL}"
        )
    return found


def refuse_to_take_nothing(types: list[str], labels: list[str]) -> None:
    """Raise CommandError where a type that is asked for needs a label that the runner
    does not have, or where each type does."""
    taken = types_taken(types, labels)
    if missed := [name for name in types if name not in taken]:
        kind = catalog()[missed[0]]
        wanted = ", ".join(label for label in kind.labels if label not in labels)
        raise CommandError(
            f"--types: {kind.name} needs a runner with --labels {wanted}."
        )
    if not taken:
        raise CommandError(
            "--labels: each task type needs a label that this runner does not have."
        )


class Command(BaseCommand):
    requires_system_checks = OUR_CHECKS
    help = "Run the queued tasks, until told to stop by SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=at_least_one,
            default=settings.RUNNER_CONCURRENCY,
            help="tasks at a time (RUNNER_CONCURRENCY)",
        )
        parser.add_argument(
            "--types", default="", help="only these, with commas between (all)"
        )
        parser.add_argument(
            "--labels",
            type=labels,
            default=settings.RUNNER_LABELS,
            help="what it has, with commas between, for types that need it "
            "(RUNNER_LABELS)",
        )
        parser.add_argument("--name", default="", help="shown to people (host-pid)")
        parser.add_argument(
            "--drain",
            type=seconds,
            default=settings.RUNNER_DRAIN,
            help="seconds for running tasks to finish after SIGTERM (RUNNER_DRAIN)",
        )
        parser.add_argument(
            "--patience",
            type=seconds,
            default=PATIENCE_SECONDS,
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
        refuse_to_take_nothing(types, options["labels"])
        try:
            make_room_for(options["concurrency"])
        except TooFewOpenFiles as error:
            raise CommandError(f"--concurrency: {error}") from error
        if connection.vendor == "postgresql":
            wait_for_database()
        runner = TaskRunner(
            name=options["name"],
            concurrency=options["concurrency"],
            types=types,
            labels=options["labels"],
            drain_seconds=options["drain"],
            store_patience_seconds=options["patience"],
        )
        exchange.join("runner")
        try:
            runner.run(once=options["once"])
        except LeaseLost:
            self.stderr.write("The lease was lost; a new runner has to start.")
            sys.exit(1)


def wait_for_database() -> None:
    """Wait until the server answers, which after a boot may come later than this. Not
    by the pool, whose pauses grow with each attempt."""
    import psycopg  # not loaded where the database is SQLite

    is_told = False
    while True:
        try:
            connection_of_its_own().close()
            break
        except psycopg.OperationalError as error:
            if not is_told:
                logger.warning("Waiting for the database: %s", in_one_line(error))
            is_told = True
        time.sleep(DATABASE_RETRY_SECONDS)
    if is_told:
        logger.warning("The database answers.")
