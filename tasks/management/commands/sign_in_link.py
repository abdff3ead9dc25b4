"""``manage.py sign_in_link [USERNAME]``: the way in without a password."""

import logging
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from tasks.access.sign_in import LIFETIME, first_administrator, sign_in_link
from tasks.management.options import TaskCommand, actor
from tasks.own_url import own_url

logger = logging.getLogger(__name__)


class Command(TaskCommand):
    help = "Print a link that signs somebody in once, within an hour."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "username",
            nargs="?",
            metavar="USERNAME",
            help="whom it signs in (an administrator)",
        )
        super().add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        user = _user(options["username"])
        link = sign_in_link(user, own_url())
        logger.info("sign-in link for user=%s made by %s", user.pk, actor().name)
        if options["json"]:
            seconds = int(LIFETIME.total_seconds())
            self.say_json(
                {"username": user.username, "url": link, "expiresInSeconds": seconds}
            )
        else:
            self.stderr.write(f"Signs in {user.username} once, within an hour:")
            self.say(link)


def _user(name: str | None) -> User:
    """Return the account that a link may be made for. Raises CommandError."""
    if name is None:
        if administrator := first_administrator():
            return administrator
        raise CommandError(
            "There is no active administrator; `manage.py createsuperuser` makes one."
        )
    able = User.objects.filter(is_active=True, is_staff=True)
    if user := able.filter(username=name).first():
        return user
    if User.objects.filter(username=name).exists():
        raise CommandError(f"{name!r} can't sign in: it is not active, or not staff.")
    there = ", ".join(able.order_by("username").values_list("username", flat=True)[:20])
    raise CommandError(f"There is no account {name!r}; there are: {there or 'none'}.")
