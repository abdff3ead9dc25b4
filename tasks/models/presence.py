"""Who looks at a task now, and at which of its lines: for half a minute, unless they
say it again.

A table, because it is what the web processes of an installation share in any case. It
is no record: what is over is deleted, and nothing refers to it.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import models
from django.db.models.functions import Now

SAID_AGAIN_SECONDS = 10  # by a page that is in sight; task_people.js waits as long
PRESENT_SECONDS = 30  # after the last word; a page may miss one
LOOK_SECONDS = 60  # a hint to look somewhere is handed on for so long
ROWS_AT_ONCE = 1_000


class Lines(NamedTuple):
    """From one line of a log to another; 0 to 0 where there is none."""

    first: int
    last: int


class PresenceQuerySet(models.QuerySet["Presence"]):
    def others(self, task_id: uuid.UUID, user_id: int) -> Sequence["Presence"]:
        """Return who else is at a task, by name, once who is gone was forgotten;
        ``has_asked`` those who have just asked others to look somewhere."""
        lately = Now() - timedelta(seconds=LOOK_SECONDS)
        found = self.filter(task_id=task_id).exclude(user_id=user_id)
        asked = found.annotate(has_asked=models.Q(looked_at__gt=lately))
        return list(asked.order_by("name"))

    def note(
        self,
        task_id: uuid.UUID,
        user_id: int,
        name: str,
        sight: Lines,
        look: Lines | None = None,
    ) -> None:
        """Somebody looks at these lines; ``look``: and others shall look at those."""
        said = {"name": name, "first": sight.first, "last": sight.last}
        said |= {"seen_at": Now()}
        if look is not None:
            said |= {"look_first": look.first, "look_last": look.last}
            said |= {"looked_at": Now()}
        if not self.filter(task_id=task_id, user_id=user_id).update(**said):
            # Where two pages of one person come at once, either may say it.
            new = Presence(task_id=task_id, user_id=user_id, **said)
            self.bulk_create([new], ignore_conflicts=True)

    def forget(self) -> int:
        """Delete some of who is gone; returns how many, 0 when there are no more."""
        gone = self.filter(seen_at__lte=Now() - timedelta(seconds=PRESENT_SECONDS))
        found = list(gone.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        return gone.filter(pk__in=found).delete()[0] if found else 0


class Presence(models.Model):
    """One person at one task, in however many tabs."""

    # No foreign keys: it outlives neither, and nobody waits for its deletion.
    task_id = models.UUIDField()
    user_id = models.BigIntegerField()
    name = models.CharField(max_length=150)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    seen_at = models.DateTimeField(db_default=Now())
    look_first = models.BigIntegerField(null=True)
    look_last = models.BigIntegerField(null=True)
    looked_at = models.DateTimeField(null=True)

    objects = PresenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task_id", "user_id"], name="presence_one_per_task_and_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.task_id}"
