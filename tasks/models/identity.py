"""Who somebody is at an OpenID provider."""

from django.conf import settings
from django.db import models


class Identity(models.Model):
    """A person's identity at a provider, by which an account is found again: names and
    mail addresses change hands, a subject never does (OpenID Connect Core 1.0, 2)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identity"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], name="identity_one_per_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.issuer})"
