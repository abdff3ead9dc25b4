"""The proof of what a channel serves, for whoever does not trust the store: a key
proves the pointer, that the manifest, and that every byte of the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from resources.errors import DifferenceError
from resources.manifests.strict_json import parse_document
from resources.releases.pointers.moves import time_text
from resources.releases.published import PublishedRelease, open_published
from resources.signing.keys import PublicKey
from resources.signing.signatures import UntrustedError, prove
from resources.stores.pointer import FIRST_FORMAT, Pointer
from resources.stores.release_store import ReleaseStore


class Proven(NamedTuple):
    """A pointer that is to be believed, and the key that signed it."""

    pointer: Pointer
    key: PublicKey


def prove_pointer(
    platform: str,
    store: ReleaseStore,
    trusted: Sequence[PublicKey],
    *,
    last_serial: int = 0,
) -> Proven:
    """Return the pointer of a store's channel, if it is to be believed: one of the
    ``trusted`` keys signed all that stands in it, it is that of this platform and
    channel, not older than ``last_serial``, and not expired by this machine's clock.

    Raises DifferenceError, which names the reason, and StoreError for one that is
    damaged.
    """
    where = f"the pointer of {store.channel} of {platform} in {store.name}"
    content = store.pointer_content()
    if content is None:
        raise DifferenceError(f"{where} is missing: nothing is served")
    values = _values(content, where)
    try:
        key = prove(values, trusted)
    except UntrustedError as reason:
        raise DifferenceError(f"{where} {reason}") from None
    pointer = Pointer.decode(content)
    if (pointer.platform, pointer.channel) != (platform, store.channel):
        raise DifferenceError(
            f"{where} is that of {pointer.channel} of {pointer.platform}: it was signed"
            " for another place"
        )
    if pointer.serial < last_serial:
        raise DifferenceError(
            f"{where} has the serial {pointer.serial}, but {last_serial} was there"
            " already: it is an old one that was put back"
        )
    now = time_text(datetime.now(UTC))
    if pointer.expires is not None and pointer.expires <= now:
        raise DifferenceError(
            f"{where} expired at {pointer.expires}, and it is {now}: renew it with"
            f" publish {pointer.version} --expires 30d, or mend this machine's clock"
        )
    return Proven(pointer, key)


def proven_releases(
    pointer: Pointer, platform: str, store: ReleaseStore
) -> Iterator[PublishedRelease]:
    """Yield the releases that a proven pointer serves: to all, and to some of the
    players. Their manifests are those that were signed; their files are not read.

    Raises DifferenceError for another manifest, InputError for none, and
    DamagedManifestError.
    """
    wanted = [pointer[:2]]
    if pointer.rollout is not None:
        wanted.append(pointer.rollout[:2])
    for version, sha256 in wanted:
        release = open_published(store, platform, version)
        if release.manifest.sha256 != sha256:
            raise DifferenceError(
                f"the manifest of {version} of {platform} in {store.name} has the"
                f" digest {release.manifest.sha256}, but {sha256} was signed: it was"
                " exchanged"
            )
        yield release


def _values(content: bytes, where: str) -> dict[str, Any]:
    """Read a pointer so that one meaning alone is possible: a key that stands there
    twice is read in one way here, and perhaps in another elsewhere."""
    try:
        values = parse_document(content)
        Pointer.decode(content)
    except ValueError as reason:
        raise DifferenceError(f"{where} is damaged: it {reason}") from None
    if not isinstance(values, dict) or values["format"] == FIRST_FORMAT:
        raise DifferenceError(f"{where} is of the first format, which has no signature")
    return values
