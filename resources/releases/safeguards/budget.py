"""Stop a version that is larger, or a larger download, than somebody allows."""

from __future__ import annotations

from typing import NamedTuple

from resources.errors import DamagedManifestError, InputError, StoreError
from resources.manifests.reader import Manifest
from resources.releases.plan import Plan
from resources.releases.published import open_published
from resources.report import size_text
from resources.stores.release_store import ReleaseStore


class Budget(NamedTuple):
    """The most bytes of all files of a platform's version, and the most that a player
    downloads who has the version that is served; None allows any number."""

    max_bytes: int | None = None
    max_player_bytes: int | None = None


def require_affordable(
    manifest: Manifest, store: ReleaseStore, budget: Budget, plan: Plan | None = None
) -> None:
    """Make sure that a version keeps to its budget.

    A player downloads each file that the version served doesn't have with the same
    content under the same path; a first version he downloads whole. ``plan``: that of
    the version, which has read some manifests already.
    Raises InputError, before anything is written.
    """
    header = manifest.header
    subject = f"{header.version} of {header.platform}"
    most = budget.max_bytes
    if most is not None and header.total_bytes > most:
        raise InputError(
            f"the budget stops {subject}: its files have {_both(header.total_bytes)},"
            f" more than the {_both(most)} of --max-bytes"
        )
    most = budget.max_player_bytes
    if most is None or header.total_bytes <= most:
        return
    pointer = store.pointer()
    if pointer is None:
        download_bytes, whose = header.total_bytes, "a player"
    elif pointer.version == header.version:
        return
    else:
        served = plan and plan.others.get(pointer.version)
        try:
            served = (
                served
                or open_published(store, header.platform, pointer.version).manifest
            )
        except DamagedManifestError as error:
            raise StoreError(
                f"the budget can't compare {subject} with what is served: {error}."
                " Without --max-player-bytes it is not compared."
            ) from None
        from resources.releases.comparison.downloads import count_downloads

        download_bytes = count_downloads([served], manifest)[0].bytes
        whose = f"a player who has {pointer.version}, which is served,"
    if download_bytes > most:
        raise InputError(
            f"the budget stops {subject}: {whose} would download"
            f" {_both(download_bytes)}, more than the {_both(most)} of"
            " --max-player-bytes"
        )


def _both(count: int) -> str:
    return f"{count} bytes ({size_text(count)})" if count >= 1000 else f"{count} bytes"
