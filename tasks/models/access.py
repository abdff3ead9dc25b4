"""Keys for programs, and the record of who did what."""

import hashlib
import secrets
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

API_KEY_PREFIX_LENGTH = 12


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        return self.filter(revoked_at=None)

    def issue(self, name: str) -> tuple["ApiKey", str]:
        """Make a key. Returns the record and the key itself, which is kept nowhere."""
        secret = f"rs_{secrets.token_urlsafe(32)}"
        key = self.create(
            name=name, prefix=secret[:API_KEY_PREFIX_LENGTH], digest=digest(secret)
        )
        return key, secret

    def owner_of(self, secret: str) -> "ApiKey | None":
        """The usable key that this is, or None; in the same time for any near miss."""
        key = self.usable().filter(prefix=secret[:API_KEY_PREFIX_LENGTH]).first()
        if key and secrets.compare_digest(key.digest, digest(secret)):
            return key
        return None


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKey(models.Model):
    """A program's key. Only its digest is kept; the key is shown once, when made."""

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    # A key is 32 random bytes, so a plain SHA-256 is enough, and 800 times faster
    # than a password hasher.
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """Who did what from where. Written once, edited by nobody."""

    at = models.DateTimeField(_("time"), db_default=Now())
    actor = models.CharField(_("who"), max_length=200)
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    action = models.CharField(_("did"), max_length=50)
    # A name, not a relation: the record outlives what it speaks of.
    target = models.CharField(_("what"), max_length=200)
    details = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
