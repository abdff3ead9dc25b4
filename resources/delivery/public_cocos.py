"""What clients of Cocos find at the fixed addresses that they poll.

A client asks for ``version.manifest``; where that has a newer version than its own, for
``project.manifest``; and then for files beneath the ``packageUrl`` of that one. Source:
https://github.com/cocos/cocos-engine, native/cocos/extensions/assets-manager/.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resources.delivery.bodies import Content
from resources.delivery.http_answers import NoAnswerError
from resources.delivery.verdicts import (
    Finding,
    content_of,
    served_instead,
)
from resources.manifests.cocos import (
    MAX_FILE_BYTES,
    PROJECT_NAME,
    VERSION_NAME,
    is_cocos,
)
from resources.manifests.line_file import BLOCK_BYTES
from resources.manifests.strict_json import parse_document
from resources.stores.headers import CHANGING_HEADERS
from resources.stores.pointer import LIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.delivery.public_release import PublicRelease


def stated_version(release: PublicRelease, own_name: str | None) -> object | None:
    """Return the version that a release states to Cocos' clients; None where it is not
    for them, or where that can't be read, of which the check of its files tells.

    ``own_name`` is the setting ``RESOURCE_MANIFEST``.
    """
    if release.manifest is None:
        return None
    for name in dict.fromkeys((own_name or PROJECT_NAME, PROJECT_NAME)):
        entry = release.manifest.entry(name)
        if entry is None:
            continue
        try:
            path = release.address_of(entry)
            answer = release.fetcher.fetch(path, Content, MAX_FILE_BYTES)
        except NoAnswerError:
            return None
        content = content_of(answer).sink.content
        if answer.status == 200 and is_cocos(content[:BLOCK_BYTES]):
            return _values(content).get("version")
    return None


def find_fixed(release: PublicRelease, version: object) -> list[list[Finding]]:
    """Ask for what lies at the fixed addresses of a channel, and return what is wrong
    with each, where it should state this version."""
    channel = release.place.channel
    folder = "" if channel == LIVE else f"{channel}/"
    return [
        _of_fixed(release, f"{folder}{name}", version)
        for name in (VERSION_NAME, PROJECT_NAME)
    ]


def _of_fixed(release: PublicRelease, path: str, version: object) -> list[Finding]:
    answer, findings = release.ask_for(path, Content, MAX_FILE_BYTES, CHANGING_HEADERS)
    if answer is None:
        return findings
    values = _values(content_of(answer).sink.content)
    if not values:
        return [Finding("MISMATCH", path, "it is no JSON object"), *findings]
    found = values.get("version")
    if found != version:
        reason = f"{served_instead(answer, _json(found))}, not {_json(version)}"
        return [Finding("STALE", path, reason), *findings]
    return findings + _of_address(release, path, values.get("packageUrl"))


def _of_address(release: PublicRelease, path: str, found: object) -> list[Finding]:
    expected = f"{release.place.url}/versions/{release.place.version}"
    if isinstance(found, str) and found.rstrip("/") == expected:
        return []
    reason = f'packageUrl is {_json(found)}, not "{expected}/"'
    return [Finding("MISMATCH", path, reason)]


def _values(content: bytes) -> Mapping[str, object]:
    """Return a document's values; none where it is no object."""
    try:
        values = parse_document(content)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
