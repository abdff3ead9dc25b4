"""Links that show one task to whoever has them, without an account."""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

PREFIX = "rsl_"  # so that a log's filter, or a secret scanner, knows one
KEPT_AFTER_END = timedelta(days=30)  # to tell its reader what became of it
ROWS_AT_ONCE = 1_000


class HandOverLinkQuerySet(models.QuerySet["HandOverLink"]):
    def usable(self) -> Self:
        return self.filter(expires_at__gt=timezone.now(), withdrawn_at=None)

    def issue(
        self, task_id: uuid.UUID, made_by: str, expires_at: datetime
    ) -> tuple["HandOverLink", str]:
        """Make a link. Returns the record and its token, which is kept nowhere."""
        token = PREFIX + secrets.token_urlsafe(32)
        link = self.create(
            task_id=task_id,
            digest=_digest(token),
            made_by=made_by[:200],
            expires_at=expires_at,
        )
        return link, token

    def known_as(self, token: str) -> "HandOverLink | None":
        """Return the link that has this token, usable or not.

        Found by its digest: of how long that takes nobody learns a token.
        """
        return self.filter(digest=_digest(token)).first()

    def note_opening(self, pk: uuid.UUID) -> None:
        self.filter(pk=pk).update(
            opened_count=F("opened_count") + 1, last_opened_at=Now()
        )

    def forget(self) -> int:
        """Delete some that ended long ago; returns how many, 0 when there are no
        more."""
        ended = self.filter(expires_at__lte=timezone.now() - KEPT_AFTER_END)
        found = list(ended.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        return self.filter(pk__in=found).delete()[0] if found else 0


def _digest(token: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class HandOverLink(models.Model):
    """One link to one task's page, until it expires or somebody withdraws it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    # No relation: it outlives its task, to say that the task was deleted.
    task_id = models.UUIDField(db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True, db_default="")
    opened_count = models.PositiveIntegerField(db_default=0)
    last_opened_at = models.DateTimeField(null=True)

    objects = HandOverLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_usable(self) -> bool:
        return self.withdrawn_at is None and timezone.now() < self.expires_at
