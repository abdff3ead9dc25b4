"""``manage.py reset_second_factor USERNAME``: for who has lost phone and codes."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from tasks.access.second_factor import remove
from tasks.management.options import TaskCommand, actor
from tasks.models import AuditEvent, SecondFactor


class Command(TaskCommand):
    help = "Take somebody's second factor away, so that the password is enough again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="USERNAME", help="whose it is")
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username=name).first()
        if user is None or not remove(user, actor(), AuditEvent.Action.FACTOR_RESET):
            raise CommandError(_why_not(name, user))
        if options["json"]:
            self.say_json({"username": name})
        else:
            self.say(f"{name} signs in without a second factor now.")


def _why_not(name: str, user: User | None) -> str:
    factors = SecondFactor.objects.order_by("user__username")
    there = ", ".join(factors.values_list("user__username", flat=True)[:20])
    what = "has no second factor" if user else "is no account"
    return f"{name!r} {what}; these have one: {there or 'none'}."
