"""What to write instead, where a server refuses what S3's would take."""

from __future__ import annotations

import re

from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.profiles import PROFILES, profile_of

# OSS, COS and Huawei's OBS.
_PATH_STYLE = (
    "SecondLevelDomainForbidden",
    "PathStyleDomainForbidden",
    "VirtualHostDomainRequired",
)
_CONDITIONS = ("<Header>If-Match", "<Header>If-None-Match")
_NO_DIGEST = ("MissingContentMD5", "<ArgumentName>Content-MD5")
# What was sent is not what arrived: the header itself was taken.
_DAMAGED = ("BadDigest", "InvalidDigest", "Mismatch")
_NOT_KNOWN = ("<Code>NotImplemented", "<Code>MethodNotAllowed", "status code: 501")

# What a server doesn't take, in words, and the option for a server that has no profile.
_WORDS = {
    "style": ("takes requests in virtual-hosted style only", "virtual"),
    "conditions": ("takes no conditional writes", "off"),
    "checksums": ("takes no x-amz-checksum-sha256", "off"),
    "deletes": ("doesn't delete several objects by one request", "each"),
}


def advice(answer: str, location: ObjectLocation, *, conditional: bool) -> str:
    """Return how the store has to be written for a server that gave this answer, as the
    end of a sentence; empty where the answer says nothing of it.

    ``conditional`` says that the request had a condition.
    """
    if not location.url.startswith("s3://"):
        return ""
    service = profile_of(location.endpoint) or profile_of(answer)
    named = PROFILES[service].service if service else "the server"
    option = _refused(answer, location, conditional=conditional)
    if option == "":
        return ""
    if service and _helps(service, option, location):
        taken = _WORDS[option][0] if option else "takes not all that Amazon's S3 does"
        return f"; {named} {taken}: write the store as " + location.rewritten(
            profile=service
        )
    if option is None:
        return (
            f"; {named} takes no conditional writes, or no x-amz-checksum-sha256:"
            f" python -m resources probe '{location.written()}' says which, and how to"
            " write the store"
        )
    words, value = _WORDS[option]
    return f"; {named} {words}: write the store as " + location.written(
        **{option: value}
    )


def _refused(answer: str, location: ObjectLocation, *, conditional: bool) -> str | None:
    """Return the option that an answer is about, empty for none; None where it is about
    conditions or checksums, and doesn't say which."""
    abilities = location.abilities
    if any(code in answer for code in _PATH_STYLE) and abilities.style == "path":
        return "style"
    if any(code in answer for code in _NO_DIGEST) and abilities.bulk_delete:
        return "deletes"
    if any(code in answer for code in _CONDITIONS) and conditional:
        return "conditions"
    has_checksum = abilities.checksums and "POST " not in _request_of(answer)
    if any(code in answer for code in _DAMAGED):
        return ""
    if re.search(r"x-amz-[a-z-]*checksum", answer) and abilities.checksums:
        return "checksums"
    if not any(code in answer for code in _NOT_KNOWN):
        return ""
    if conditional:
        return None if has_checksum else "conditions"
    if "?delete" in _request_of(answer):
        return "deletes"
    return "checksums" if has_checksum else ""


def _helps(service: str, option: str | None, location: ObjectLocation) -> bool:
    """Return whether a profile that isn't there yet avoids what was refused."""
    if dict(location.options).get("profile") == service:
        return False
    without = PROFILES[service].abilities
    return {
        "style": without.style == "virtual",
        "conditions": not without.conditions,
        "checksums": not without.checksums,
        "deletes": not without.bulk_delete,
        None: not (without.conditions and without.checksums),
    }[option]


def _request_of(answer: str) -> str:
    """Return method and address of the request in the library's message."""
    found = re.search(r"performing ([A-Z]+ \S+)", answer)
    return found[1] if found else ""
