"""Keys for programs: what each may do, until when, and from where."""

import hashlib
import ipaddress
import re
import secrets
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

API_KEY_PREFIX_LENGTH = 12
MOST_SCOPES = 1_000  # characters
START_TYPE = re.compile(r"start:[a-z0-9][a-z0-9-]{0,99}")  # as types are called


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None
        )

    def with_state(self) -> Self:
        """Each with its ``state``, as ApiKey.State has them."""
        now, state = timezone.now(), ApiKey.State
        return self.annotate(
            state=Case(
                When(revoked_at__isnull=False, then=Value(state.REVOKED.value)),
                When(expires_at__lte=now, then=Value(state.EXPIRED.value)),
                default=Value(state.USABLE.value),
            )
        )

    def issue(
        self,
        name: str,
        scope: str = "admin",
        expires_at: datetime | None = None,
        networks: str = "",
    ) -> tuple["ApiKey", str]:
        """Make a key. Returns the record and the key itself, which is kept nowhere.

        ``scope``, ``networks``: as parse_scopes and parse_networks take them. Raises
        ValueError.
        """
        secret = f"rs_{secrets.token_urlsafe(32)}"
        key = self.create(
            name=name,
            prefix=secret[:API_KEY_PREFIX_LENGTH],
            digest=digest(secret),
            scope=parse_scopes(scope),
            expires_at=expires_at,
            networks=", ".join(map(str, parse_networks(networks))),
        )
        return key, secret

    def known_as(self, secret: str) -> "ApiKey | None":
        """The key that this is, usable or not; in the same time for any near miss."""
        key = self.filter(prefix=secret[:API_KEY_PREFIX_LENGTH]).first()
        if key and secrets.compare_digest(key.digest, digest(secret)):
            return key
        return None

    def note_use(self, pk: int, at: datetime, address: str | None) -> None:
        """Of two uses at one time the later one stays."""
        self.filter(
            Q(last_used_at=None) | Q(last_used_at__lt=at), pk=pk
        ).update(last_used_at=at, last_used_from=address)  # fmt: skip


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def parse_networks(
    text: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and CIDRs, with commas, spaces or line ends between.

    Raises ValueError, which names the one that is neither.
    """
    return [ipaddress.ip_network(part) for part in text.replace(",", " ").split()]


def parse_scopes(text: str) -> str:
    """Return the scopes in a text, each once, with blanks between (RFC 6749 3.3);
    blanks or commas stand between them.

    Raises ValueError, which names what is none; that a type exists is not asked,
    because it may be in tomorrow's file.
    """
    scopes = list(dict.fromkeys(text.replace(",", " ").split()))
    for scope in scopes:
        if not (scope in ApiKey.Scope.values or START_TYPE.fullmatch(scope)):
            there_are = ", ".join([*ApiKey.Scope.values, "start:TYPE"])
            raise ValueError(
                f"There is no scope {scope[:100]!r}; there are: {there_are}."
            )
    if not scopes:
        raise ValueError("A key needs a scope.")
    if len(found := " ".join(scopes)) > MOST_SCOPES:
        raise ValueError("These are too many scopes for one key.")
    return found


class ApiKey(models.Model):
    """A program's key. Only its digest is kept; the key is shown once, when made."""

    class Scope(models.TextChoices):
        """What a key may do; it has one or several of these, and of ``start:TYPE``,
        which starts that type alone. Each lets it read; ``admin`` includes all."""

        READ = "read", _("read")
        START = "start", _("start")
        CANCEL = "cancel", _("cancel")
        APPROVE = "approve", _("approve")
        ADMIN = "admin", _("admin")

    class State(models.TextChoices):
        USABLE = "usable", _("usable")
        EXPIRED = "expired", _("expired")
        REVOKED = "revoked", pgettext_lazy("state", "revoked")

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    # A key is 32 random bytes, so a plain SHA-256 is enough, and 800 times faster
    # than a password hasher.
    digest = models.CharField(max_length=64)
    # Keys from before there were scopes could do everything, and still can.
    # Several have blanks between.
    scope = models.CharField(_("scope"), max_length=MOST_SCOPES, db_default="admin")
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    # CIDRs with commas between; "" is any address.
    networks = models.TextField(_("addresses"), blank=True, db_default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    # Who made it; what it starts they don't approve themselves, where that matters.
    made_by = models.CharField(max_length=200, blank=True, db_default="")
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    last_used_from = models.GenericIPAddressField(
        _("last used from"), null=True, blank=True
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def opens_from(self, address: str | None) -> bool:
        """Return whether it may come from there; with a list, nothing without an
        address."""
        networks = parse_networks(self.networks)
        if not networks:
            return True
        return address is not None and any(
            ipaddress.ip_address(address) in network for network in networks
        )
