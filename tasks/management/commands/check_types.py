"""``manage.py check_types``: says what is wrong in a file of task types before the
service has to read it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.catalog.loader import files_of, load
from tasks.catalog.toml_tables import CatalogError


class Command(BaseCommand):
    help = "Check files of task types as the service would, beside those that it reads."
    # It has to work where what the service reads now is wrong.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files",
            nargs="*",
            type=Path,
            metavar="FILE",
            help="takes the place of the one of the same name that the service reads; "
            "none: all that it reads",
        )

    def handle(self, *_: Any, files: list[Path], **options: Any) -> None:
        named = [file.resolve() for file in files]
        try:
            # Alone first: what is wrong in it is told before what is in others.
            checked = load(named or settings.TASK_TYPES_FILE)
            load([*named, *others(named)])
        except CatalogError as error:
            raise CommandError(str(error)) from error
        count = len(checked)
        noun = "task type" if count == 1 else "task types"
        self.stdout.write(f"{count} {noun}, all right: {', '.join(checked)}.")


def others(named: Iterable[Path]) -> list[Path]:
    """Return the files that the service reads, but for those that are to be replaced:
    what is checked has their names."""
    names = {file.name for file in files_of(named)}
    read = files_of(settings.TASK_TYPES_FILE)
    return [file for file in read if file.name not in names]
