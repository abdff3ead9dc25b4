"""Idempotency keys: which request each came with first, and which task it started."""

import json
import uuid
from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

LIFETIME = timedelta(hours=24)  # afterwards a key is free again
KEYS_AT_ONCE = 1_000  # that are deleted in one transaction


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    def expired(self) -> Self:
        return self.filter(created_at__lte=timezone.now() - LIFETIME)

    def claim(
        self, actor: str, key: str, request: Any, task_id: uuid.UUID
    ) -> "IdempotencyKey":
        """Return the key's record: a new one that names ``task_id``, or that of the
        request that came first.

        To be called in the transaction that makes the task: of several at once each
        waits until the first has committed, and then sees its record.
        """
        self.expired().filter(actor=actor, key=key).delete()
        record, _is_new = self.get_or_create(
            actor=actor,
            key=key,
            defaults={"task_id": task_id, "fingerprint": fingerprint_of(request)},
        )
        return record

    def forget(self) -> int:
        """Delete some expired keys; returns how many, 0 when there are no more."""
        found = list(self.expired().values_list("pk", flat=True)[:KEYS_AT_ONCE])
        return self.filter(pk__in=found).delete()[0] if found else 0


class IdempotencyKey(models.Model):
    """A key that a client sent with a request, for 24 hours.

    It outlives its task, so that a request sent again starts nothing anew even where
    the first one's task was deleted meanwhile.
    """

    # Its name, as in Task.created_by; a program keeps it when its API key is replaced.
    actor = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    task_id = models.UUIDField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["actor", "key"], name="idempotency_one_per_actor_and_key"
            )
        ]
        indexes = [models.Index("created_at", name="idempotency_by_time")]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"

    def is_of(self, request: Any) -> bool:
        """Return whether this is the request that the key came with first."""
        return self.fingerprint == fingerprint_of(request)


def fingerprint_of(request: Any) -> str:
    """Return a keyed digest of JSON values: parameters may be secret, and could be
    guessed from a plain one."""
    text = json.dumps(request, sort_keys=True)
    return salted_hmac("tasks.idempotency", text, algorithm="sha256").hexdigest()
