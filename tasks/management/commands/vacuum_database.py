"""``manage.py vacuum_database``: give the room of deleted rows back to the disk."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from tasks.databases.in_use import InUse
from tasks.databases.sqlite3 import space
from tasks.management.options import TaskCommand
from tasks.pruning import at_leisure, give_back


class Command(TaskCommand):
    help = (
        "Shrink SQLite's file by what is free in it: in small steps while the service "
        "runs, or, where the file was made before it could do so, by writing it anew "
        "once, with the service stopped."
    )

    def handle(self, *_: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(
                "This is for SQLite. PostgreSQL uses the room of deleted rows again by "
                "itself (autovacuum); VACUUM (FULL) tasks_logline gives it back to the "
                "disk, and locks the table as long as that takes."
            )
        path = Path(connection.settings_dict["NAME"])
        if not path.exists():
            raise CommandError(f"There is no database yet: {path}.")
        began = time.monotonic()
        with connection.cursor() as cursor:
            before = space.space(cursor)
        if before.shrinks:
            at_leisure(give_back(space.Shrinker(spare=False)))
            with connection.cursor() as cursor:
                after = space.space(cursor)
        else:
            if not options["json"]:
                self.say(
                    f"Writing {before.used_bytes:,} bytes anew, beside the old file; "
                    "needs as much free disk."
                )
            connection.close()
            before, after = self._rewrite(path)
        seconds = time.monotonic() - began
        if options["json"]:
            self.say_json(
                {
                    "bytesBefore": before.bytes,
                    "bytes": after.bytes,
                    "rewritten": not before.shrinks,
                    "seconds": round(seconds, 1),
                }
            )
        else:
            self.say(
                f"The database takes {after.bytes:,} bytes, before {before.bytes:,} "
                f"({seconds:.1f} s)."
            )

    def _rewrite(self, path: Path) -> tuple[space.Space, space.Space]:
        try:
            return space.rewrite(path)
        except InUse as error:
            raise CommandError(
                f"The database is in use ({error}). This file has to be written anew "
                "once; stop the service first: `make stop`, or `systemctl stop "
                "resource-sync.target`. Nothing was changed."
            ) from error
        except space.NoRoom as error:
            raise CommandError(
                f"The disk of {path.parent} has no room for a second file: "
                f"{error.needed:,} bytes are needed, {error.free:,} are free. Make "
                "room first. Nothing was changed."
            ) from error
        except OSError as error:
            raise CommandError(
                f"{path}: {error.strerror or error}. Nothing was changed."
            ) from error
