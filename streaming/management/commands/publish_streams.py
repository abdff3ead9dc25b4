"""``manage.py publish_streams``: tells the push proxy what is new."""

import asyncio
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from streaming.publisher import LockLost, lock, publish_until_told_to_stop

WAIT_SECONDS = 1.0


class Command(BaseCommand):
    help = "Publish the streams to the push proxy of GRIP_URL, until told to stop."

    def handle(self, *_: Any, **__: Any) -> None:
        if not settings.GRIP_URL:
            raise CommandError(
                "GRIP_URL: it is empty; publish_streams needs the push proxy's address."
            )
        held = lock()
        if not held.take():
            self.stdout.write("Another publisher is at work; waiting for its end.")
            while not held.take():
                time.sleep(WAIT_SECONDS)
        try:
            asyncio.run(publish_until_told_to_stop(held))
        except LockLost:
            self.stderr.write("The lock was lost; a new publisher has to start.")
            sys.exit(1)
