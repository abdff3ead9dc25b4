"""``manage.py create_api_key NAME``: a key for a program, shown once."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tasks.access.actor import Scope
from tasks.access.api_keys import end_of_day, make_key
from tasks.catalog.loader import catalog
from tasks.lifecycle import UnknownTaskType
from tasks.management.options import TaskCommand, actor
from tasks.models import parse_networks, parse_scopes
from tasks.timestamps import iso

LONGEST_NAME = 100  # characters
MOST_DAYS = 36_500


def expiry(raw: str) -> datetime:
    """``90d`` from now, the end of a day (``2026-01-31``), or a moment in ISO 8601."""
    try:
        if match := re.fullmatch(r"([0-9]{1,6})d", raw):
            moment = timezone.now() + timedelta(days=min(int(match[1]), MOST_DAYS))
        elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", raw):
            moment = end_of_day(datetime.fromisoformat(raw).date())
        else:
            moment = datetime.fromisoformat(raw)
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{raw!r} is no time; say 90d, 2026-01-31 or 2026-01-31T12:00Z"
        ) from None
    if moment <= timezone.now():
        raise argparse.ArgumentTypeError(f"{raw!r} is over already")
    return moment


def scopes(raw: str) -> str:
    """One or several; a type has to be one that there is."""
    try:
        found = parse_scopes(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    for name in (scope.partition(":")[2] for scope in found.split()):
        if name and name not in catalog():
            raise argparse.ArgumentTypeError(str(UnknownTaskType(name)))
    return found


def networks(raw: str) -> str:
    try:
        return ", ".join(map(str, parse_networks(raw)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Command(TaskCommand):
    help = "Make an API key. It is shown this once; only its digest is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="whose or what for")
        parser.add_argument(
            "--scope",
            type=scopes,
            action="append",
            metavar="SCOPE",
            help="what it may do: read; start (tasks, and cancel its own), as where "
            "nothing is said; start:TYPE (of one type); cancel (anybody's); approve; "
            "or admin, everything. Several with commas between, or --scope several "
            "times",
        )
        parser.add_argument(
            "--expires",
            type=expiry,
            metavar="WHEN",
            help="90d, 2026-01-31 (to the end of that day, UTC) or a time in ISO 8601",
        )
        parser.add_argument(
            "--allow",
            type=networks,
            action="append",
            default=[],
            metavar="CIDR",
            help="addresses from which it may be used; several with commas between, "
            "or --allow several times",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise CommandError(f"A name has 1 to {LONGEST_NAME} printable characters.")
        key, secret = make_key(
            name,
            actor(),
            scope=" ".join(options["scope"] or [Scope.START]),
            expires_at=options["expires"],
            networks=", ".join(options["allow"]),
        )
        if options["json"]:
            self.say_json(
                {
                    "name": name,
                    "prefix": key.prefix,
                    "key": secret,
                    "scope": key.scope,
                    "scopes": key.scope.split(),
                    "expiresAt": iso(key.expires_at),
                    "allow": [str(network) for network in parse_networks(key.networks)],
                }
            )
        else:
            self.stderr.write(f"The key of {name} ({key.scope}), shown this once:")
            self.say(secret)
