"""Live versions by platform, as the stores' own pointers say them.

A store may be far away, and may hang. So each platform's is read in a thread of its
own, which nobody waits for longer than a moment, and once for many who ask.
"""

import logging
import os
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import Served, all_platforms, read_served
from tasks.patient_reader import READ_SECONDS, PatientReader, wait_for_all

FRESH_SECONDS = 3.0  # so long one reading answers whoever asks

logger = logging.getLogger(__name__)


@cache
def reader(platform: str) -> PatientReader[Served]:
    """The one reader of a platform in this process."""
    return PatientReader(partial(_read, platform), f"release of {platform}")


def _read(platform: str) -> Served:
    environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}
    served = read_served(platform, environment)
    if served.problem is not None:
        logger.warning("release platform=%s: %s", platform, served.problem[:500])
    return served


def release_of(platform: str, served: Served | None) -> dict[str, Any]:
    """One platform's entry in the answer."""
    pointer = served.pointer if served else None
    entry: dict[str, Any] = {
        "platform": platform,
        "version": pointer.version if pointer else None,
        "since": pointer.published_at if pointer else None,
        "previous": pointer.previous if pointer else None,
        "taskId": pointer.task_id if pointer else None,
        "manifestSha256": pointer.manifest_sha256 if pointer else None,
    }
    if served is None:
        entry["error"] = _("The store did not answer in time.")
    elif served.problem is not None:
        entry["error"] = _("The store could not be read.")
    return entry


def releases_within(
    seconds: float = READ_SECONDS, *, fresh_seconds: float | None = None
) -> list[dict[str, Any]]:
    """Each platform's entry, from what its store says within this time, or said so
    many seconds ago (FRESH_SECONDS)."""
    platforms = list(all_platforms())
    fresh_seconds = FRESH_SECONDS if fresh_seconds is None else fresh_seconds
    found = wait_for_all(list(map(reader, platforms)), seconds, fresh_seconds)
    return list(map(release_of, platforms, found))
