"""What the commands share: their words for a task, and how a program reads them."""

import getpass
import json
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.access.actor import Actor
from tasks.management.printable import printable, printable_json
from tasks.models import Task, ids_beginning_with

# A look at every URL, as commands take by default, loads half of the product.
OUR_CHECKS = ("tasks",)
BROKEN_PIPE = 128 + 13  # what a program ends with that SIGPIPE kills


class TaskCommand(BaseCommand):
    """A command that prints for people, or JSON lines for programs."""

    requires_system_checks: tuple[str, ...] = OUR_CHECKS

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="one JSON object a line"
        )

    def execute(self, *arguments: Any, **options: Any) -> Any:
        """As Django does it; where nobody reads on (``| head``), end without a word."""
        try:
            return super().execute(*arguments, **options)
        except BrokenPipeError:
            # Python would flush once more as it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(BROKEN_PIPE)

    def say(self, text: str) -> None:
        """Print a line, of which a terminal obeys nothing but colours."""
        self._write(printable(text, colours=self.stdout.isatty()))

    def say_json(self, value: Any) -> None:
        self._write(printable_json(json.dumps(value, ensure_ascii=False)))

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def actor() -> Actor:
    """Return who sits at this shell."""
    try:
        return Actor(f"shell:{getpass.getuser()}")
    except (KeyError, OSError):  # a user id without a name, as in containers
        return Actor("shell")


def find_task(raw: str) -> Task:
    """The task of an id, or of the beginning of exactly one id.

    Raises CommandError, which says what would be right.
    """
    ids = ids_beginning_with(raw)
    if ids is None and raw.strip():
        raise CommandError(f"{raw!r} is no task's id; see list_tasks.")
    matches = list(Task.objects.filter(pk__range=ids)[:2]) if ids else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CommandError(f"Several tasks begin with {raw!r}; give more of it.")
    raise CommandError(f"There is no task {raw!r}; see list_tasks.")
