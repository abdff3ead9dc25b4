"""``manage.py backup FILE``: all that a restore needs, while the service runs."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.backup.errors import BackupError
from tasks.backup.make import Made, make_backup
from tasks.backup.tables import what_is_in
from tasks.management.options import TaskCommand


class Command(TaskCommand):
    # What is wrong with the settings of today must not keep anybody from a backup.
    requires_system_checks = ()
    help = (
        "Write database, task types, settings and local stores to one file, while the "
        "service runs. `restore --check FILE` reads it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="where to; - for the standard output"
        )
        parser.add_argument(
            "--force", action="store_true", help="replace a file that is there"
        )
        parser.add_argument(
            "--without-store",
            action="store_true",
            help="leave out the stores, which may be large",
        )
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="SECRET_KEY, API_KEY and all else of .env, too: keep the file as safe",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        is_piped = options["file"] == "-"
        if is_piped and sys.stdout.isatty():
            raise CommandError("A backup is not for a terminal; say a file, or a pipe.")
        try:
            made = make_backup(
                None if is_piped else Path(options["file"]),
                with_store=not options["without_store"],
                with_secrets=options["with_secrets"],
                replace=options["force"],
            )
        except BackupError as error:
            raise CommandError(str(error)) from error
        if is_piped:
            return
        if options["json"]:
            self.say_json({**made._asdict(), "file": options["file"]})
            return
        size = f"{made.bytes / 1_000_000:,.1f} MB"
        self.say(f"{options['file']}: {size}; {what_is_in(made.rows) or 'no data'}.")
        for sentence in _notes(made):
            self.say(sentence)


def _notes(made: Made) -> list[str]:
    notes = []
    if made.running:
        notes.append(
            f"Running tasks: {made.running}. A restore brings them back with the lines "
            "that they had, and says in their logs that they were lost."
        )
    if made.stores:
        notes.append(f"Stores in it: {', '.join(made.stores)}.")
    if made.elsewhere:
        notes.append(f"Stores not in it: {', '.join(made.elsewhere)}.")
    return notes
