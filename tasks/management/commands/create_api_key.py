"""``manage.py create_api_key NAME``: a key for a program, shown once."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from tasks.keys import make_key
from tasks.management.options import TaskCommand, actor

LONGEST_NAME = 100  # characters


class Command(TaskCommand):
    help = "Make an API key. It is shown this once; only its digest is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="whose or what for")
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise CommandError(f"A name has 1 to {LONGEST_NAME} printable characters.")
        key, secret = make_key(name, actor())
        if options["json"]:
            self.say_json({"name": name, "prefix": key.prefix, "key": secret})
        else:
            self.stderr.write(f"The key of {name}, shown this once:")
            self.say(secret)
