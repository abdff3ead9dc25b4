"""Promotion: what one channel serves is served on another, and nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping

from resources.errors import InputError
from resources.releases.pointers.publish import Checks, publish
from resources.report import Report
from resources.stores.release_store import ReleaseStore


def promote(
    version: str | None,
    origins: Mapping[str, ReleaseStore],
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
) -> None:
    """Serve on the channel of ``stores`` what that of ``origins`` serves, on every
    platform or none; ``version``, where it is given, is what that has to be.

    It is guarded as a publish is. Raises InputError where the channel serves nothing,
    another version, or not the same one on all platforms; and as ``publish.serve``.
    """
    served = {}
    for platform, origin in origins.items():
        pointer = origin.pointer()
        if pointer is None:
            raise InputError(
                f"the channel {origin.channel} of {platform} serves nothing yet;"
                f" there are: {', '.join(origin.channels())}"
            )
        if version is not None and pointer.version != version:
            raise InputError(
                f"the channel {origin.channel} of {platform} serves {pointer.version},"
                f" not {version}: what is promoted is what was tested there"
            )
        served[platform] = pointer.version
    if len(set(served.values())) > 1:
        each = ", ".join(f"{name} {served[name]}" for name in served)
        raise InputError(
            f"the platforms of the channel serve different versions: {each}; promote"
            " one after the other, by --platform"
        )
    publish(next(iter(served.values())), stores, report, checks)
