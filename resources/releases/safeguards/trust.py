"""The pointer that is replaced: what is signed stays signed, and nobody builds on one
that somebody else put there."""

from __future__ import annotations

from resources.errors import InputError
from resources.releases.pointers.history import read_history
from resources.signing.signatures import UntrustedError, prove
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore


def require_replaceable(
    platform: str, served: Pointer | None, store: ReleaseStore
) -> None:
    """Raise InputError unless the pointer that is served may be replaced.

    Without a key a signed one may not. With a key, one that is signed has to be so by a
    key that is trusted, and one that isn't must not follow one that was. And it is no
    old one that came back: its number is not below those of its history.
    """
    if served is None:
        return
    signing = store.signing
    where = f"the pointer of {platform} in {store.name}"
    if served.signature is not None and signing.key is None:
        if signing.allow_unsigned:
            return
        raise InputError(
            f"{where} is signed by {served.signature.key}, and RESOURCE_SIGNING_KEY is"
            " not set: what is signed stays signed. To serve it without a signature"
            " from now on, run it with --allow-unsigned"
        )
    if signing.allow_untrusted:
        return
    require_vouched(platform, served, store)
    before = read_history(store) or []
    was_signed = bool(before) and before[-1].signature is not None
    if signing.key is not None and served.signature is None and was_signed:
        raise InputError(
            f"{where} is not signed, but the one before it was: somebody wrote it"
            " without the key. Look at what it serves; if that is right, run it with"
            " --allow-untrusted"
        )
    highest = max((each.serial for each in before), default=0)
    if 0 < served.serial < highest:  # 0: of the first format, which nobody counted
        raise InputError(
            f"{where} has the serial {served.serial}, but there was {highest} already:"
            f" an old pointer was put back. It serves {served.version}; if that is to"
            " be replaced, run it with --allow-untrusted"
        )


def require_vouched(platform: str, served: Pointer, store: ReleaseStore) -> None:
    """Raise InputError where a pointer is signed, but by nobody who is trusted; without
    a key of one's own nobody is, and nothing is asked."""
    signing = store.signing
    if signing.key is None or served.signature is None or signing.allow_untrusted:
        return
    try:
        prove(served.values(), signing.trusted)
    except UntrustedError as reason:
        raise InputError(
            f"the pointer of {platform} in {store.name} {reason}. If its key is one of"
            " yours, name its public half in RESOURCE_TRUSTED_KEYS; else look at what"
            " it serves, and run it with --allow-untrusted"
        ) from None
