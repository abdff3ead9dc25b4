"""Codes of an authenticator (RFC 6238) and recovery codes: made, checked, used once.

The algorithm is cryptography's; what is ours is that no code is good twice, that who
guesses waits, and who has to have a second factor: docs/decisions/0077.
"""

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import Iterable
from typing import Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import prefetch_related_objects

from tasks.access.actor import Actor, record
from tasks.access.attempts import Attempt, TooManyAttempts
from tasks.access.rights import rights_of
from tasks.models import AuditEvent, RecoveryCode, SecondFactor
from tasks.secrets.encryption import SecretKeyChanged, opened, sealed

STEP_SECONDS, DIGITS = 30, 6
DRIFT_STEPS = 1  # by which a clock may be wrong, before and behind
KEY_BYTES = 20  # as RFC 4226 wants it
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits: nobody finds one by its digest
# Wrong codes of one account, from wherever: who gets this far has its password. Of a
# million codes three are right at a time.
CODE_RATE = "10/h"
ISSUER = "Resource Sync"
OFF, ADMIN, ALL = "off", "admin", "all"

PASSWORD_BACKEND = "tasks.access.backends.RightsBackend"  # noqa: S105 (a class)

Kind = Literal["code", "recovery-code"]


def factor_of(user: Any) -> SecondFactor | None:
    """Return somebody's second factor, None where there is none."""
    return SecondFactor.objects.filter(user_id=user.pk).first()


def must_have(user: Any) -> bool:
    """Return whether somebody who signs in with a password has to have one."""
    if settings.REQUIRE_SECOND_FACTOR == ADMIN:
        return rights_of(user).is_admin
    return bool(settings.REQUIRE_SECOND_FACTOR == ALL)


def is_lacking(user: Any) -> bool:
    """Return whether somebody has to have one and has none."""
    return must_have(user) and factor_of(user) is None


def lacking_among(users: Iterable[User]) -> set[int]:
    """Return the keys of those of whom that is true, by two queries at most."""
    if settings.REQUIRE_SECOND_FACTOR == OFF:
        return set()
    found = list(users)
    prefetch_related_objects(found, "groups")
    must = {user.pk for user in found if must_have(user)}
    have = SecondFactor.objects.filter(user_id__in=must)
    return must - set(have.values_list("user_id", flat=True))


# --- Making one ---------------------------------------------------------------------


class NewKey:
    """A key that nobody has confirmed yet, as a session keeps it until then."""

    def __init__(self, factor_id: uuid.UUID, sealed_key: str) -> None:
        self.factor_id, self.sealed_key = factor_id, sealed_key

    @classmethod
    def made(cls) -> "NewKey":
        factor_id = uuid.uuid4()
        key = secrets.token_bytes(KEY_BYTES)
        return cls(factor_id, sealed(factor_id, {"key": key.hex()}) or "")

    @property
    def key(self) -> bytes:
        """Raises SecretKeyChanged."""
        return _key(self.factor_id, self.sealed_key)

    @property
    def is_readable(self) -> bool:
        try:
            return bool(self.key)
        except SecretKeyChanged:
            return False

    @property
    def as_text(self) -> str:
        """Return the key as people type it: base 32, in groups of four."""
        text = base64.b32encode(self.key).decode()
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

    def address(self, user: Any, host: str) -> str:
        """Return what an authenticator reads: ``otpauth://…``."""
        address: str = _totp(self.key).get_provisioning_uri(
            user.get_username(), f"{ISSUER} ({host})"
        )
        return address


def confirm(user: Any, new: NewKey, code: str, actor: Actor) -> list[str] | None:
    """Make a key that somebody has proved to have their second factor, and return the
    recovery codes, which nobody sees again; None where the code is wrong. Raises
    TooManyAttempts."""
    made = _attempt(user)
    step = _step_of(new.key, _plain(code))
    if step is None:
        return None
    made.forget()
    with transaction.atomic():
        # Of two that are set up at the same moment the first one counts.
        User.objects.select_for_update().get(pk=user.pk)
        if factor_of(user) is not None:
            return None
        factor = SecondFactor.objects.create(
            id=new.factor_id, user=user, sealed_key=new.sealed_key, last_step=step
        )
        codes = _make_recovery_codes(factor)
        record(actor, AuditEvent.Action.FACTOR_SET_UP, user.get_username())
    return codes


def renew_recovery_codes(user: Any, actor: Actor) -> list[str]:
    """Return new recovery codes of somebody, in place of those there were; none where
    there is no second factor any more."""
    with transaction.atomic():
        # Two at once would leave twenty of which each reader sees ten.
        User.objects.select_for_update().get(pk=user.pk)
        if (factor := factor_of(user)) is None:
            return []
        factor.recovery_codes.all().delete()
        codes = _make_recovery_codes(factor)
        record(actor, AuditEvent.Action.RECOVERY_CODES_RENEWED, user.get_username())
    return codes


def _make_recovery_codes(factor: SecondFactor) -> list[str]:
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(factor=factor, digest=_digest(_plain(code))) for code in codes
    )
    return codes


def remove(user: Any, actor: Actor, action: str) -> bool:
    """Take somebody's second factor away; False where there was none."""
    with transaction.atomic():
        _count, deleted = SecondFactor.objects.filter(user_id=user.pk).delete()
        if not deleted.get(SecondFactor._meta.label):
            return False
        record(actor, action, user.get_username())
    return True


# --- Using one ----------------------------------------------------------------------


def use(user: Any, given: str, actor: Actor) -> Kind | None:
    """Use a code of somebody's, up: an authenticator's or a recovery code. Return which
    it was, None where it is wrong or was used before.

    Raises TooManyAttempts, and SecretKeyChanged where no authenticator's can be
    checked any more.
    """
    made, text = _attempt(user), _plain(given)
    factor = factor_of(user)
    if factor is None:
        return None
    kind: Kind | None = None
    if _uses_recovery_code(factor, text, actor):
        kind = "recovery-code"
    elif _uses_step(factor, text):
        kind = "code"
    if kind is not None:
        made.forget()
    return kind


def _attempt(user: Any) -> Attempt:
    """Return an attempt to give a code, counted before it is looked at."""
    made = Attempt()
    if seconds := made.count(CODE_RATE, "code", str(user.pk)):
        raise TooManyAttempts(seconds)
    return made


def _uses_recovery_code(factor: SecondFactor, text: str, actor: Actor) -> bool:
    with transaction.atomic():
        found = factor.recovery_codes.filter(digest=_digest(text))
        if not found.delete()[0]:
            return False
        left = factor.recovery_codes.count()
        action = AuditEvent.Action.RECOVERY_CODE_USED
        record(actor, action, factor.user.get_username(), left=left)
    return True


def _uses_step(factor: SecondFactor, text: str) -> bool:
    step = _step_of(_key(factor.pk, factor.sealed_key), text)
    # One statement, so that of two at once with the same code one is refused.
    newer = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step or 0)
    return step is not None and bool(newer.update(last_step=step))


def _step_of(key: bytes, code: str) -> int | None:
    """Return the time step of which this is the code, among those that are good."""
    if not (len(code) == DIGITS and code.isascii() and code.isdecimal()):
        return None
    totp, now = _totp(key), int(time.time() // STEP_SECONDS)
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        right = totp.generate(step * STEP_SECONDS)
        if secrets.compare_digest(right, code.encode()):
            found = step
    return found


def _totp(key: bytes) -> Any:
    # Imported where it is needed, as in tasks.secrets.encryption.
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    # Authenticators know SHA-1 alone, for which HMAC is as good as it was.
    return TOTP(key, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 (RFC 6238)


def _key(factor_id: uuid.UUID, sealed_key: str) -> bytes:
    return bytes.fromhex(opened(factor_id, sealed_key)["key"])


def _plain(given: str) -> str:
    """Return a code without the blanks, dashes and small letters of people."""
    return "".join(given.split()).replace("-", "").upper()[:40]


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
