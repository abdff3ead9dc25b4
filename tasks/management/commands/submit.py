"""``manage.py submit TYPE --version v885 --follow``: start a task from the shell."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors
from tasks.lifecycle import UnknownTaskType, submit
from tasks.management.commands.follow import Command as Follow
from tasks.management.options import actor
from tasks.queue.freezes import Frozen
from tasks.representation import describe, urls_of
from tasks.waiting import waiting_for


class Command(Follow):
    help = "Start a task. With --follow: print its log, and exit as `follow` does."

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        # Django's own --version would hide the parameter of that name.
        parser = super().create_parser(
            prog_name, subcommand, conflict_handler="resolve", **kwargs
        )
        for name in sorted({p.name for t in catalog().values() for p in t.params}):
            parser.add_argument(f"--{name}", dest=f"param_{name}", metavar="VALUE")
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("type", metavar="TYPE", help=", ".join(sorted(catalog())))
        parser.add_argument(
            "--override-freeze",
            metavar="REASON",
            help="start it though its type is frozen, for a reason that is recorded",
        )
        parser.add_argument("--follow", action="store_true", help="print its log")
        parser.add_argument(
            "--json", action="store_true", help="one JSON object a line"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        given = {
            name.removeprefix("param_"): value
            for name, value in options.items()
            if name.startswith("param_") and value is not None
        }
        try:
            task = submit(
                options["type"],
                given,
                actor(),
                override_freeze=options["override_freeze"],
            )
        except (UnknownTaskType, Frozen) as error:
            raise CommandError(str(error)) from error
        except ParameterErrors as error:
            problems = [f"--{name}: {texts[0]}" for name, texts in error.errors.items()]
            raise CommandError("\n".join(problems)) from error
        if options["json"]:
            self.say_json({**describe(task), **urls_of(task)})
        else:
            found = waiting_for(task)
            why = f" {found.message}" if found and found.reason != "turn" else ""
            self.say(f"Task {task.pk} is in the queue.{why}")
        if options["follow"]:
            self.follow(task, as_json_lines=options["json"])
