"""Which version a player gets: the reference reader of a channel's pointer in Python.

Standard library only, Python 3.9 or newer, but for signatures, which need the library
cryptography. version_for() says what a player gets, files_of() which files that are.
The same rules are in player-version.mjs and PlayerVersion.ts, and pointer-vectors.json
has what each of them has to say.
"""

import hashlib
import json
import math
import re
import sys
import urllib.request
from typing import NamedTuple

FORMATS = ("release-pointer/1", "release-pointer/2")
MAX_WHOLE = 2**53 - 1  # the largest number that every reader of JSON keeps as it is


class PointerError(Exception):
    """The pointer is not to be followed; stay with the version that you have."""


class PlayerVersion(NamedTuple):
    """What a player gets: a version, its manifest's digest, and the pointer's serial,
    which the client keeps for the next time."""

    version: str
    sha256: str
    serial: int


def version_for(
    content,
    player,
    last_serial=0,
    now=None,
    trusted=None,
    platform=None,
    channel=None,
):
    """Return the PlayerVersion that a player gets by a pointer.

    content      the pointer's bytes or text, as the store or the CDN gave it
    player       what stays the same for one player: an account or installation id
    last_serial  the highest serial seen so far, to be kept by the client: a CDN may
                 give an old pointer, and nobody should go back by accident
    now          the time as ISO 8601 in UTC with milliseconds, to honour an expiry, as
                 2026-12-01T00:00:00.000Z; None: not looked at
    trusted      the public keys that may have signed it, as 64 hex digits each, out of
                 the client's own program; None: signatures are not looked at
    platform, channel   whose pointer was asked for, which a signed one has to be of

    Raises PointerError.
    """
    try:
        pointer = json.loads(content)
        if pointer["format"] not in FORMATS:
            raise PointerError("this is no pointer of a release")
        if trusted is not None:
            _require_signed(pointer, trusted)
        for name, wanted in (("platform", platform), ("channel", channel)):
            if wanted is not None and pointer.get(name) != wanted:
                raise PointerError(f"the pointer is of another {name} than {wanted}")
        serial = pointer.get("serial", 0)
        if serial < last_serial:
            raise PointerError(f"the pointer {serial} is older than {last_serial}")
        expires = pointer.get("expires")
        if expires is not None and now is not None and now >= expires:
            raise PointerError(f"the pointer expired at {expires}")
        rollout = pointer.get("rollout")
        if rollout is not None and is_in(rollout, player):
            return PlayerVersion(rollout["version"], rollout["sha256"], serial)
        sha256 = pointer.get("sha256") or pointer["manifestSha256"]
        return PlayerVersion(pointer["version"], sha256, serial)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PointerError(f"the pointer is damaged: {error!r}") from None


def is_in(rollout, player):
    """Return whether a player is among those who get a rollout's version already."""
    text = f"{rollout['salt']}:{player}"
    part = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 10_000
    return part < round(rollout["percent"] * 100)


def files_of(manifest, sha256):
    """Return the files that a manifest lists, as dicts with path, size and sha256, if
    its bytes are those that the pointer named by ``sha256``.

    Take each file only if its size and digest are these. Raises PointerError.
    """
    end = manifest.rfind(b"\n", 0, -1) + 1
    lines = manifest.count(b"\n")
    last = f'{{"end": {lines - 2}, "sha256": "{sha256}"}}\n'
    if hashlib.sha256(manifest[:end]).hexdigest() != sha256:
        raise PointerError("the manifest is not the one that the pointer names")
    if manifest[end:] != last.encode():
        raise PointerError("the manifest has another end than the pointer names")
    return [json.loads(line) for line in manifest[:end].splitlines()[1:]]


def _require_signed(pointer, trusted):
    """Raise PointerError unless one of these keys signed all that the pointer says."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = pointer.get("signature")
    if signature is None:
        raise PointerError("the pointer is not signed")
    raw = next(
        (key for key in map(bytes.fromhex, trusted) if key_id(key) == signature["key"]),
        None,
    )
    if raw is None:
        raise PointerError(
            f"the pointer is signed by a foreign key, {signature['key']}"
        )
    values = {name: pointer[name] for name in pointer if name != "signature"}
    message = canonical(values).encode()
    try:
        signed = bytes.fromhex(signature["ed25519"])
        Ed25519PublicKey.from_public_bytes(raw).verify(signed, message)
    except InvalidSignature:
        raise PointerError("the pointer was changed after it was signed") from None


def key_id(raw):
    """Return what a signature calls a public key."""
    return hashlib.sha256(raw).hexdigest()[:16]


def canonical(value):
    """Return a value's canonical JSON (RFC 8785), which is what is signed."""
    if isinstance(value, dict):
        # By UTF-16, as RFC 8785 says; JavaScript has no other order.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return (
            "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in keys) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ValueError(f"{value} is no number that every reader keeps")
    return json.dumps(value, ensure_ascii=False)


def _number(number):
    """Return a number as JavaScript writes it."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number in JSON")
    if number == int(number) and abs(number) <= MAX_WHOLE:
        return str(int(number))
    text = repr(number)
    if not re.fullmatch(r"-?[0-9]+\.[0-9]+", text):
        raise ValueError(f"{text} is a number that no pointer has")
    return text


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: player_version.py URL-OF-THE-POINTER PLAYER")
    address = sys.argv[1]
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 (one's own)
        print(*version_for(answer.read(), sys.argv[2])[:2])
