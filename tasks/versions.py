"""Versions that lie in the source and in the store, for who chooses one.

Both may be far away, and may hang, so each is read as the live versions are.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from resources.releases.available import (
    Built,
    Found,
    Sealed,
    all_platforms,
    natural_key,
    read_source,
    read_store,
)
from tasks.patient_reader import READ_SECONDS, PatientReader, wait_for_all
from tasks.releases import OwnReading, error_of
from tasks.timestamps import iso

FRESH_SECONDS = 5.0  # so long one reading answers whoever asks
PLACES: dict[str, Callable[[str, Mapping[str, str]], Found[Any]]] = {
    "source": read_source,
    "store": read_store,
}


@cache
def reader(platform: str, place: str) -> PatientReader[Found[Any]]:
    """The one reader of a platform's source or store in this process."""
    read = OwnReading(PLACES[place], platform, f"versions in the {place}")
    return PatientReader(read, f"versions of {platform} in the {place}")


def known_platforms() -> list[str]:
    return list(all_platforms())


def versions_within(
    platforms: Iterable[str], seconds: float = READ_SECONDS
) -> dict[str, Any]:
    """The versions of some platforms, newest first, from what the source and the stores
    say within this time; and of each of these, whether it did."""
    asked = list(product(platforms, PLACES))
    answers: list[Found[Any] | None]
    answers = wait_for_all([reader(*key) for key in asked], seconds, FRESH_SECONDS)
    found = dict(zip(asked, answers, strict=True))
    versions = [
        entry
        for platform in dict.fromkeys(platform for platform, _place in asked)
        for entry in _entries(
            platform, found[platform, "source"], found[platform, "store"]
        )
    ]
    versions.sort(key=lambda entry: natural_key(entry["version"]), reverse=True)
    return {
        "versions": versions,
        "places": [_place(*key, answer) for key, answer in found.items()],
    }


def _entries(
    platform: str, source: Found[Built] | None, store: Found[Sealed] | None
) -> Iterable[dict[str, Any]]:
    built = {each.version: each for each in source.versions} if source else {}
    sealed = {each.version: each for each in store.versions} if store else {}
    for version in {**built, **sealed}:
        yield {
            "version": version,
            "platform": platform,
            **_about(built.get(version), sealed.get(version)),
            "inSource": _lies_in(source, version, built),
            "inStore": _lies_in(store, version, sealed),
            "isLive": _is_live(store, sealed.get(version)),
        }


def _about(built: Built | None, sealed: Sealed | None) -> dict[str, Any]:
    """What is known of a version; of its totals first what the store has, which is
    final."""
    files, total_bytes = next(
        (
            each.totals
            for each in (sealed, built)
            if each is not None and each.totals.files is not None
        ),
        (None, None),
    )
    return {
        "builtAt": iso(built.at) if built else None,
        "publishedAt": sealed.at if sealed else None,
        "files": files,
        "bytes": total_bytes,
    }


def _lies_in(
    found: Found[Any] | None, version: str, listed: dict[str, Any]
) -> bool | None:
    """Return whether a place has a version; None where that is not known."""
    if version in listed:
        return True
    if not _has_answered(found) or version in found.older:
        return None
    return False


def _is_live(store: Found[Sealed] | None, sealed: Sealed | None) -> bool | None:
    if sealed:
        return sealed.is_live
    return False if _has_answered(store) else None


def _has_answered(found: Found[Any] | None) -> TypeGuard[Found[Any]]:
    return found is not None and found.problem is None


def _place(platform: str, place: str, found: Found[Any] | None) -> dict[str, Any]:
    return {
        "platform": platform,
        "place": place,
        "older": len(found.older) if found else 0,
        "error": _error(place, found),
    }


def _error(place: str, found: Found[Any] | None) -> str | None:
    if place == "store":
        return error_of(found) or None
    if found is None:
        return _("The source did not answer in time.")
    return _("The source could not be read.") if found.problem is not None else None
