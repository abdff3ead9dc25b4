"""What is served, for a program that only wants to show it.

With ``available`` and ``past`` all of the engine that the web service imports: they
raise nothing of the engine's where ``problem_of_platforms`` finds none, and write
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from resources.errors import EngineError
from resources.manifests.header import HEADER_BYTES
from resources.manifests.totals import UNKNOWN, Totals, totals_of_own
from resources.platforms import all_platforms
from resources.settings import read_settings
from resources.signing.policy import Signing, read_trusted
from resources.stores.pointer import LIVE, Pointer, Rollout
from resources.versions import is_version

if TYPE_CHECKING:
    from resources.stores.release_store import ReleaseStore

__all__ = [
    "LIVE",
    "Pointer",
    "Rollout",
    "Served",
    "all_platforms",
    "is_version",
    "problem_of_platforms",
    "problem_of_trusted_keys",
    "read_served",
]


MOST_TOTALS = 1000  # some 200 bytes each
_known_totals: dict[tuple[str, str, str], Totals] = {}  # by store, version and digest


class Served(NamedTuple):
    """What one platform serves on ``live``: None for nothing yet, and where ``problem``
    says why it can't be told. The problem is for a log: it may name folders.

    ``others`` are the pointers of its other channels by name; ``totals`` what the
    manifests of all these say, by version; ``signers`` the ids of the keys that signed
    them, by channel, as far as these are in RESOURCE_TRUSTED_KEYS and prove it.
    """

    pointer: Pointer | None
    problem: str | None
    others: Sequence[Pointer] = ()
    totals: Mapping[str, Totals] = MappingProxyType({})
    signers: Mapping[str, str] = MappingProxyType({})

    def on(self, channel: str) -> Pointer | None:
        """Return a channel's pointer; None where it serves nothing."""
        if channel == LIVE:
            return self.pointer
        return next((each for each in self.others if each.channel == channel), None)


def problem_of_platforms() -> str:
    """Return what is wrong with ``RESOURCE_PLATFORMS``; "" where nothing is."""
    try:
        all_platforms()
    except EngineError as error:
        return str(error)
    return ""


def problem_of_trusted_keys(environment: Mapping[str, str]) -> str:
    """Return what is wrong with ``RESOURCE_TRUSTED_KEYS``; "" where nothing is."""
    try:
        read_trusted(environment)
    except EngineError as error:
        return str(error)
    return ""


def read_served(platform: str, environment: Mapping[str, str]) -> Served:
    """Read the pointers of a platform's store, which the environment names.

    It takes as long as the store takes to answer.
    """
    try:
        store = own_store(platform, environment)
        found = store.pointers()
        live = next((each for each in found if each.channel == LIVE), None)
        others = [each for each in found if each.channel != LIVE]
        signers = _signers(found, environment)
        return Served(live, None, others, _totals(store, found), signers)
    except EngineError as error:
        return Served(None, str(error))


def _signers(
    pointers: Sequence[Pointer], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return by channel who signed its pointer, as ``Served`` has it. Keys that can't
    be read prove nothing: see ``problem_of_trusted_keys``."""
    signed = [each for each in pointers if each.signature is not None]
    if not signed or problem_of_trusted_keys(environment):
        return {}
    signing = Signing(trusted=read_trusted(environment))
    found = {each.channel: signing.signer_of(each.values()) for each in signed}
    return {channel: key for channel, key in found.items() if key is not None}


def _totals(store: ReleaseStore, pointers: Sequence[Pointer]) -> dict[str, Totals]:
    """Return what the manifests of what is served say; each is read once only, since
    it never changes."""
    served = {pointer[:2] for pointer in pointers}
    new = [each for each in served if (store.name, *each) not in _known_totals]
    beginnings = store.manifest_beginnings([each[0] for each in new], HEADER_BYTES)
    for each, beginning in zip(new, beginnings, strict=True):
        if beginning is not None:
            _known_totals[(store.name, *each)] = totals_of_own(beginning)
    found = {
        version: _known_totals.get((store.name, version, digest), UNKNOWN)
        for version, digest in served
    }
    while len(_known_totals) > MOST_TOTALS:
        del _known_totals[next(iter(_known_totals))]
    return found


def own_store(platform: str, environment: Mapping[str, str]) -> ReleaseStore:
    """Return a platform's store; only its own setting is looked at, so that a wrong one
    of another doesn't matter. Raises InputError."""
    others = {
        f"RESOURCE_STORE_{name.upper()}"
        for name in all_platforms(environment)
        if name != platform
    }
    own = {name: value for name, value in environment.items() if name not in others}
    return read_settings(own, source=None, store=None).open_store(platform)
