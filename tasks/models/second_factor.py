"""The second factor of a person who signs in with a password: a key that an
authenticator has, too, and codes on paper for when it is lost."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SecondFactor(models.Model):
    """A person's key for codes that change every 30 s (RFC 6238)."""

    # The key is sealed to it, so that it opens in no other row.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor"
    )
    sealed_key = models.TextField()  # by tasks.secrets.encryption
    # The newest time step of which a code was used; none is used twice.
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.id)


class RecoveryCode(models.Model):
    """A code that is good once, by its digest; a used one is deleted."""

    factor = models.ForeignKey(
        SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["factor", "digest"], name="recovery_code_once_per_factor"
            )
        ]

    def __str__(self) -> str:
        return self.digest[:8]
