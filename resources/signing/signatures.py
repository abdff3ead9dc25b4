"""Signatures of a pointer's values: made, and proven by keys that are trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from resources.errors import DifferenceError
from resources.signing.canonical import canonical_json
from resources.signing.keys import PrivateKey, PublicKey

SIGNATURE = "signature"  # the one key that is not signed
_SIGNATURE_HEX = re.compile("[0-9a-f]{128}")


class UntrustedError(DifferenceError):
    """Nobody who is trusted signed this; the message says which of the reasons it is,
    as what follows the pointer's name."""


def sign(values: Mapping[str, Any], key: PrivateKey) -> dict[str, str]:
    """Return what a pointer says as ``signature``: the key's id, and the 64 bytes in
    hex digits."""
    return {
        "key": key.public.key_id,
        "ed25519": key.sign(_message(values)).hex(),
    }


def prove(values: Mapping[str, Any], trusted: Iterable[PublicKey]) -> PublicKey:
    """Return which of the ``trusted`` keys signed a pointer.

    ``values`` are all that stand in it, also those that nobody here knows: the
    signature covers them. Raises UntrustedError.
    """
    signature = values.get(SIGNATURE)
    if signature is None:
        raise UntrustedError("is not signed")
    named = signature.get("key") if isinstance(signature, Mapping) else None
    text = signature.get("ed25519") if isinstance(signature, Mapping) else None
    if not (isinstance(named, str) and isinstance(text, str)):
        raise UntrustedError("has a damaged signature")
    key = next((each for each in trusted if each.key_id == named), None)
    if key is None:
        raise UntrustedError(f"is signed by the key {named}, which is not trusted")
    try:
        message = _message(values)
    except ValueError as reason:
        raise UntrustedError(f"{reason}, so no signature can be of it") from None
    if not (
        _SIGNATURE_HEX.fullmatch(text) and key.proves(message, bytes.fromhex(text))
    ):
        raise UntrustedError(f"was changed after the key {named} had signed it")
    return key


def _message(values: Mapping[str, Any]) -> bytes:
    return canonical_json({name: values[name] for name in values if name != SIGNATURE})
