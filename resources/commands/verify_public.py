"""``python -m resources verify-public``: what players get of a version."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from resources.errors import AfterwardsError, InputError, StoreError
from resources.report import Report
from resources.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from resources.stores.pointer import Pointer


def verify_public(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    """Check what players get, and return the exit code."""
    from resources.delivery.public_check import check_public
    from resources.delivery.public_release import Place
    from resources.releases.check import require_compared

    platforms = _findable(options, settings, platforms, report)
    if not platforms:
        return 0
    places = [
        Place(
            platform,
            options.channel,
            options.version,
            settings.public_url(platform),
            settings.headers,
            _stored(settings, platform, options.channel, report),
        )
        for platform in platforms
    ]
    checked = check_public(
        places,
        report,
        sample=options.files,
        wait_seconds=options.wait,
        manifest_name=os.environ.get("RESOURCE_MANIFEST"),
    )
    for one in checked:
        age = None if one.age is None else f"{one.age:,} s"
        report.note(one.platform, version=options.version)
        report.count(one.platform, "filesChecked", one.files)
        report.count(one.platform, "failed", one.failed)
        report.note(one.platform, age=age)
    if any(one.failed for one in checked):
        return AfterwardsError.exit_code
    if options.allow_empty == "no":
        require_compared({one.platform: 0 for one in checked if not one.files})
    return 0


def _findable(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> list[str]:
    """Return the platforms that players can find. Raises InputError where one has no
    public address, unless that is allowed: a release that begins before there is a CDN
    has nobody to look at it."""
    found = [name for name in platforms if settings.public_urls[name] is not None]
    unset = [name for name in platforms if name not in found]
    if unset and options.allow_unset == "no":
        try:
            settings.public_url(unset[0])
        except InputError as error:
            raise InputError(
                f"{error}. Where there is none yet, run it with --allow-unset"
            ) from None
    if unset:
        report.warning(
            f"what players of {', '.join(unset)} get was not looked at:"
            " RESOURCE_PUBLIC_URL is not set"
        )
    return found


def _stored(
    settings: Settings, platform: str, channel: str, report: Report
) -> Callable[[], Pointer | None]:
    """Return what reads the pointer in the store. A store that isn't within reach is no
    reason not to look: whoever checks from elsewhere may have none."""
    store = settings.open_store(platform, channel)
    told = False

    def pointer() -> Pointer | None:
        nonlocal told
        reason = "it has no pointer of that channel"
        try:
            if (found := store.pointer()) is not None:
                return found
        except StoreError as error:
            reason = str(error)
        if not told:
            told = True
            report.warning(
                f"what players of {platform} get is not compared with the store"
                f" {store.name}: {reason}"
            )
        return None

    return pointer
