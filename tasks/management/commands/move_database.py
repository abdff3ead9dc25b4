"""``manage.py move_database URL``: everything into another database."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.backup.errors import BackupError
from tasks.management.options import TaskCommand, actor
from tasks.moving.move import Outcome, move


class Command(TaskCommand):
    help = (
        "Copy everything into an empty database, with the service stopped, and compare "
        "both. The one that it comes from stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "url",
            metavar="URL",
            help="of the other one, as DATABASE_URL takes it: "
            "postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:////PATH",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            done = move(options["url"], actor(), self._tell)
        except BackupError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            tables = [moved._asdict() for moved in done.tables]
            self.say_json({**done._asdict(), "tables": tables})
            return
        rows = sum(moved.rows for moved in done.tables)
        self.say(
            f"Moved and compared: {len(done.tables)} tables, {rows:,} rows, in "
            f"{done.seconds:.0f} s."
        )
        for sentence in _next(done):
            self.say(sentence)

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()


def _next(done: Outcome) -> list[str]:
    notes = []
    if done.repaired:
        notes.append(
            f"In {done.repaired:,} rows, characters that PostgreSQL can't hold (NUL, "
            "invalid UTF-8) are U+FFFD now."
        )
    if done.running:
        notes.append(
            f"Tasks that a killed runner left running: {done.running}. They end, or go "
            "back to the queue, when a runner starts."
        )
    notes.append(
        "Now set DATABASE_URL to that URL in .env on all hosts, and start the service. "
        "The old database is as it was: keep it until you are sure, but start nothing "
        "with it again, or what waits would run twice."
    )
    return notes
