"""How a bucket has to be written, by what its server takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.profiles import PROFILES, Abilities, fitting, profile_of

WITHOUT_CONDITIONS = (
    "Without conditional writes, two publishers that start in the same moment are not"
    " kept apart: let one program publish."
)


class Verdict(NamedTuple):
    """Whether a store works as it is written, which profile fits, if any does, how the
    store is best written, and all of it in a sentence.

    ``conditions`` says that what is best has conditional writes.
    """

    works: bool
    profile: str
    best: str
    conditions: bool
    text: str


def judge(location: ObjectLocation, able: Sequence[Abilities]) -> Verdict:
    """Return how a store has to be written whose server takes what ``able`` says, once
    for each style."""
    own, written = location.abilities, location.written()
    works = any(own.need_no_more_than(other) for other in able)
    profile, best, best_written = _best(location, able)
    if not works:
        *more, last = _refused(own, able)
        refused = f"{', '.join(more)} and {last}" if more else last
        text = f"{written} will not work: this store takes no {refused}."
        text += f" Write it as {best_written}"
    elif best.conditions and not own.conditions:
        text = (
            f"{written} works, but does without conditional writes, which this store"
            f" has. Write it as {best_written}"
        )
    elif profile and dict(location.options).get("profile") != profile:
        text = f"{written} fits, and so does {best_written}"
    else:
        text = f"{written} fits."
    return Verdict(works, profile, best_written, best.conditions, text)


def _best(
    location: ObjectLocation, able: Sequence[Abilities]
) -> tuple[str, Abilities, str]:
    """Return the profile that fits, if any does, what it relies on, and the store's URL
    with it, or else with options."""
    if not location.url.startswith("s3://"):
        conditions = "on" if able[0].conditions else "off"
        return "", able[0], location.written(conditions=conditions)
    # Without an endpoint the server is Amazon's.
    service = profile_of(location.endpoint) if location.endpoint else "aws"
    profile = fitting(able, likely=service)
    if not profile:
        return "", able[0], location.rewritten(**able[0].options())
    best = PROFILES[profile].abilities
    if best.conditions or not able[0].conditions:
        return profile, best, location.rewritten(profile=profile)
    # The service has learned it since the profile was written.
    best = best._replace(conditions=True)
    return profile, best, location.rewritten(profile=profile, conditions="on")


def _refused(own: Abilities, able: Sequence[Abilities]) -> list[str]:
    """Name what a store relies on and its server doesn't take."""
    same = next((other for other in able if other.style == own.style), None)
    if same is None:
        return ["path style" if own.style == "path" else "virtual-hosted style"]
    relied_on = {
        "conditional writes": own.conditions and not same.conditions,
        "x-amz-checksum-sha256": own.checksums and not same.checksums,
        "deleting of several objects by one request": (
            own.bulk_delete and not same.bulk_delete
        ),
    }
    return [words for words, is_missing in relied_on.items() if is_missing]
