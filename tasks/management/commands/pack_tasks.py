"""``manage.py pack_tasks``: pack the lines of ended tasks, or unpack them."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tasks.logs.packing import pack_at_leisure, unpack
from tasks.management.options import TaskCommand
from tasks.models import Runner


class Command(TaskCommand):
    help = (
        "Pack the lines of tasks that ended longer ago than PACK_AFTER, as runners do "
        "by themselves. Logs stay what they are, in a tenth of the room. Every host "
        "has to run this version, or one after it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--all", action="store_true", help="of every task that has ended"
        )
        which.add_argument(
            "--undo",
            action="store_true",
            help="unpack all lines, for a version before this one; stop the service",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["undo"]:
            self._unpack(as_json=options["json"])
            return
        seconds = 0 if options["all"] else settings.PACK_AFTER
        if not seconds and not options["all"]:
            raise CommandError(
                "PACK_AFTER is 0, so nothing is packed; --all packs what has ended."
            )
        ended_before = timezone.now() - timedelta(seconds=seconds)
        found = pack_at_leisure(ended_before)
        if options["json"]:
            self.say_json(
                {
                    "tasks": found.tasks,
                    "lines": found.lines,
                    "messageBytes": found.message_bytes,
                    "packedBytes": found.packed_bytes,
                }
            )
        else:
            self.say(
                f"Packed {found.lines:,} lines of {found.tasks:,} tasks: "
                f"{found.message_bytes:,} bytes of messages into "
                f"{found.packed_bytes:,}."
            )

    def _unpack(self, *, as_json: bool) -> None:
        # A reader looks into the table first: what goes back there it would miss.
        if Runner.objects.alive().exists():
            raise CommandError(
                "A runner is alive; stop the service on all hosts first. Nothing was "
                "changed."
            )
        lines = sum(part.lines for part in unpack())
        if as_json:
            self.say_json({"unpackedLines": lines})
        else:
            self.say(f"Unpacked {lines:,} lines.")
