"""``manage.py restore FILE``: puts a backup in the place of what is there."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.backup.archive import Archive, opened
from tasks.backup.errors import BackupError
from tasks.backup.restore import Restored, extract, refuse_unfit, restore
from tasks.backup.tables import what_is_in
from tasks.management.options import TaskCommand, actor


class Command(TaskCommand):
    requires_system_checks = ()  # a restore may be what mends them
    help = (
        "Restore a backup, with the service stopped. The queue is paused then, so that "
        "nothing starts by surprise."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="what `backup` wrote", type=Path
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="read all of it back and say what is in it; change nothing",
        )
        parser.add_argument(
            "--extract",
            type=Path,
            metavar="FOLDER",
            help="write all but the database to a new folder; change nothing else",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="also where the database has data, which is lost",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with opened(options["file"]) as archive:
                archive.check()
                if options["extract"]:
                    extract(archive, options["extract"])
                    self.say(f"Written to {options['extract']}.")
                elif options["check"]:
                    refuse_unfit(archive)
                    self._say_checked(archive, is_json=options["json"])
                else:
                    done = restore(archive, actor(), may_replace=options["replace"])
                    self._say_done(archive, done, is_json=options["json"])
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _say_checked(self, archive: Archive, *, is_json: bool) -> None:
        manifest = archive.manifest
        if is_json:
            self.say_json({key: manifest[key] for key in manifest if key != "members"})
            return
        self.say(
            f"Whole: made at {manifest['madeAt']} by version {manifest['version']}; "
            f"{what_is_in(archive.database['rows']) or 'no data'}."
        )
        if manifest["stores"]:
            self.say(f"Stores in it: {', '.join(manifest['stores'])}.")

    def _say_done(self, archive: Archive, done: Restored, *, is_json: bool) -> None:
        if is_json:
            self.say_json(done._asdict())
            return
        self.say(f"Restored: {what_is_in(done.rows) or 'no data'}.")
        for sentence in _notes(archive, done):
            self.say(sentence)


def _notes(archive: Archive, done: Restored) -> list[str]:
    notes = []
    if done.stores:
        notes.append(f"Stores restored: {', '.join(done.stores)}.")
    if done.kept:
        notes.append(
            f"Stores left as they are: {', '.join(done.kept)}. --extract writes those "
            "of the backup to another folder."
        )
    if done.types:
        notes.append(
            f"Task types that differ from the backup's: {', '.join(done.types)}. "
            "--extract writes these to another folder."
        )
    if not done.has_same_key:
        notes.append(
            "SECRET_KEY is another one than the backup's: secret parameters of waiting "
            "tasks can't be read with it."
        )
    notes.append(
        "Everybody has to sign in again. Tasks that ran then end when a runner starts. "
        f"The queue is paused, because what waited at {archive.manifest['madeAt']} may "
        "have run since: start the service, look at what waits, and resume the queue."
    )
    return notes
