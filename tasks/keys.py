"""Making and revoking API keys: each in one place, and each in the audit trail."""

from django.db import transaction
from django.utils import timezone

from tasks.lifecycle import Actor
from tasks.models import ApiKey, AuditEvent


def make_key(name: str, actor: Actor) -> tuple[ApiKey, str]:
    """The record of a new key, and the key itself, which is kept nowhere."""
    with transaction.atomic():
        key, secret = ApiKey.objects.issue(name)
        _record(actor, "key.create", key)
    return key, secret


def revoke_key(key: ApiKey, actor: Actor) -> bool:
    """From now on the key opens nothing. False where it did not before either."""
    with transaction.atomic():
        usable = ApiKey.objects.usable().filter(pk=key.pk)
        if not usable.update(revoked_at=timezone.now()):
            return False
        _record(actor, "key.revoke", key)
    return True


def _record(actor: Actor, action: str, key: ApiKey) -> None:
    AuditEvent.objects.create(
        actor=actor.name, address=actor.address, action=action, target=str(key)
    )
