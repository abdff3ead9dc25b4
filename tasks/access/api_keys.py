"""Making and revoking API keys: each in one place, and each in the audit trail."""

from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone

from tasks.access.actor import Actor, record
from tasks.models import ApiKey, AuditEvent
from tasks.timestamps import iso


def make_key(
    name: str,
    actor: Actor,
    *,
    scope: str = ApiKey.Scope.ADMIN,
    expires_at: datetime | None = None,
    networks: str = "",
) -> tuple[ApiKey, str]:
    """The record of a new key, and the key itself, which is kept nowhere.

    ``networks``: addresses and CIDRs, with commas between. Raises ValueError.
    """
    with transaction.atomic():
        key, secret = ApiKey.objects.issue(name, scope, expires_at, networks)
        ApiKey.objects.filter(pk=key.pk).update(made_by=actor.name[:200])
        record(
            actor,
            AuditEvent.Action.KEY_MADE,
            key,
            scope=key.scope,
            expires=iso(expires_at),
            addresses=key.networks,
        )
    return key, secret


def end_of_day(day: date) -> datetime:
    """The moment when a key that is good until that day, in UTC, is good no more."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def revoke_key(key: ApiKey, actor: Actor) -> bool:
    """From now on the key opens nothing. False where it was revoked before."""
    with transaction.atomic():
        standing = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
        if not standing.update(revoked_at=timezone.now()):
            return False
        record(actor, AuditEvent.Action.KEY_REVOKED, key)
    return True
