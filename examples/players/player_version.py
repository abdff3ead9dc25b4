"""Which version a player gets: the reference reader of a channel's pointer in Python.

Standard library only, Python 3.9 or newer; version_for() is all that a game needs.
The same rules are in player-version.mjs and PlayerVersion.ts, and pointer-vectors.json
has what each of them has to say.
"""

import hashlib
import json
import sys
import urllib.request

FORMATS = ("release-pointer/1", "release-pointer/2")


class PointerError(Exception):
    """The pointer is not to be followed; stay with the version that you have."""


def version_for(content, player, last_serial=0, now=None):
    """Return version and manifest digest that a player gets by a pointer.

    content      the pointer's bytes or text, as the store or the CDN gave it
    player       what stays the same for one player: an account or installation id
    last_serial  the highest serial seen so far, to be kept by the client: a CDN may
                 give an old pointer, and nobody should go back by accident
    now          the time as ISO 8601 in UTC, to honour an expiry; None: not looked at

    Raises PointerError.
    """
    try:
        pointer = json.loads(content)
        if pointer["format"] not in FORMATS:
            raise PointerError("this is no pointer of a release")
        serial = pointer.get("serial", 0)
        if serial < last_serial:
            raise PointerError(f"the pointer {serial} is older than {last_serial}")
        expires = pointer.get("expires")
        if expires is not None and now is not None and now >= expires:
            raise PointerError(f"the pointer expired at {expires}")
        rollout = pointer.get("rollout")
        if rollout is not None and is_in(rollout, player):
            return rollout["version"], rollout["sha256"]
        return pointer["version"], pointer.get("sha256") or pointer["manifestSha256"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PointerError(f"the pointer is damaged: {error!r}") from None


def is_in(rollout, player):
    """Return whether a player is among those who get a rollout's version already."""
    text = f"{rollout['salt']}:{player}"
    part = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 10_000
    return part < round(rollout["percent"] * 100)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: player_version.py URL-OF-THE-POINTER PLAYER")
    address = sys.argv[1]
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 (one's own)
        print(*version_for(answer.read(), sys.argv[2]))
