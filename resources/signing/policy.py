"""How pointers are signed when they move, and which may be replaced: from settings and
options."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from resources.errors import InputError
from resources.signing.keys import (
    PrivateKey,
    PublicKey,
    read_private_key,
    read_public_key,
)
from resources.signing.signatures import UntrustedError, prove, sign

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
MAX_DAYS = 3650


class Signing(NamedTuple):
    """What moves a pointer signs it with, and whose signatures it believes.

    ``lasts`` is how long after the move the pointer expires, None for never.
    ``is_renewal`` is whether somebody asked for that time by an option, so that a
    pointer which says all else already is written again. ``allow_unsigned`` lets a
    pointer without signature replace a signed one, ``allow_untrusted`` lets one be
    replaced that nobody vouches for.
    """

    key: PrivateKey | None = None
    trusted: tuple[PublicKey, ...] = ()
    lasts: timedelta | None = None
    is_renewal: bool = False
    allow_unsigned: bool = False
    allow_untrusted: bool = False

    def signature(self, values: Mapping[str, Any]) -> dict[str, str] | None:
        """Return what a pointer with these values says as ``signature``."""
        return None if self.key is None else sign(values, self.key)

    def end_of(self, moment: datetime) -> datetime | None:
        """Return when a pointer expires that moves now; None for never."""
        return None if self.lasts is None else moment + self.lasts

    def signer_of(self, values: Mapping[str, Any]) -> str | None:
        """Return the id of the trusted key that signed a pointer; None for no such."""
        try:
            return prove(values, self.trusted).key_id
        except UntrustedError:
            return None


UNSIGNED = Signing()


def read_signing(
    environment: Mapping[str, str],
    *,
    expires: str | None = None,
    allow_unsigned: bool = False,
    allow_untrusted: bool = False,
) -> Signing:
    """Read how pointers are signed: the key itself, too. ``expires`` is the option that
    goes before RESOURCE_POINTER_EXPIRES.

    Raises InputError for a key, option or setting that is none.
    """
    path = environment.get("RESOURCE_SIGNING_KEY")
    key = read_private_key(path) if path else None
    own = () if key is None else (key.public,)
    name, text = "RESOURCE_POINTER_EXPIRES", environment.get("RESOURCE_POINTER_EXPIRES")
    if expires is not None:
        name, text = "--expires", expires
    return Signing(
        key,
        (*own, *read_trusted(environment)),
        read_lifetime(text, name) if text else None,
        expires is not None,
        allow_unsigned,
        allow_untrusted,
    )


def read_trusted(environment: Mapping[str, str]) -> tuple[PublicKey, ...]:
    """Return the keys of RESOURCE_TRUSTED_KEYS, with commas between. Raises
    InputError."""
    name = "RESOURCE_TRUSTED_KEYS"
    texts = environment.get(name, "").split(",")
    return tuple(read_public_key(text.strip(), name) for text in texts if text.strip())


def read_lifetime(text: str, setting: str) -> timedelta | None:
    """Return a duration as it is written, ``30d`` or ``12h``; None for ``never``.
    ``setting`` is what messages call its place. Raises InputError.

    >>> read_lifetime("30d", "--expires")
    datetime.timedelta(days=30)
    """
    if text == "never":
        return None
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit and number.isascii() and number.isdecimal() and len(number) <= 5:
        lasts = int(number) * unit
        if timedelta(0) < lasts <= timedelta(days=MAX_DAYS):
            return lasts
    raise InputError(
        f'{setting}: "{text}" is no time after which a pointer expires: write 30d, 12h'
        f" or never; at most {MAX_DAYS}d"
    )
