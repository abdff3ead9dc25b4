"""What let a request in, and whether it still would.

A stream stays open for hours, so who watches is asked again and again: for all of a
server's clients together, by four queries at most, and two where a second factor is
required.
"""

import secrets
import uuid
from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone

from tasks.access.rights import watchers
from tasks.access.second_factor import PASSWORD_BACKEND, lacking_among
from tasks.models import ApiKey, HandOverLink


class Credential(NamedTuple):
    """What somebody came in with: a key, and from which address; a session; or a
    hand-over link.

    None of them is the bootstrap key, which is good for as long as the process is.
    """

    key_id: int | None = None
    address: str | None = None
    session_key: str | None = None
    link_id: uuid.UUID | None = None


BOOTSTRAP = Credential()


def ended_among(credentials: Collection[Credential]) -> set[Credential]:
    """Return those that would let nobody in now: keys that were revoked or deleted,
    have expired or may not come from there any more; links that were withdrawn or have
    expired; sessions that are over, and those
    of people who lost their rights or changed their password.

    Raises what the database raises: that it does not answer says nothing of a key.
    """
    keys = _keys({one.key_id for one in credentials if one.key_id is not None})
    sessions = {one.session_key for one in credentials if one.session_key is not None}
    open_sessions = _open_among(sessions)
    links = _links({one.link_id for one in credentials if one.link_id is not None})

    def is_good(one: Credential) -> bool:
        if one.key_id is not None:
            key = keys.get(one.key_id)
            return key is not None and key.opens_from(one.address)
        if one.link_id is not None:
            return one.link_id in links
        return one.session_key is None or one.session_key in open_sessions

    return {one for one in credentials if not is_good(one)}


def _keys(ids: Collection[int]) -> Mapping[int, ApiKey]:
    return ApiKey.objects.usable().in_bulk(ids) if ids else {}


def _links(ids: Collection[uuid.UUID]) -> Collection[uuid.UUID]:
    return HandOverLink.objects.usable().in_bulk(ids) if ids else ()


def _open_among(session_keys: Collection[str]) -> set[str]:
    if not session_keys:
        return set()
    stored = Session.objects.filter(
        session_key__in=session_keys, expire_date__gt=timezone.now()
    )
    decoded = {session.session_key: session.get_decoded() for session in stored}
    ids = {data[SESSION_KEY] for data in decoded.values() if SESSION_KEY in data}
    people = watchers().in_bulk(ids)
    lacking = {str(pk) for pk in lacking_among(people.values())}
    hashes = {str(pk): user.get_session_auth_hash() for pk, user in people.items()}
    return {
        session_key
        for session_key, data in decoded.items()
        if secrets.compare_digest(
            data.get(HASH_SESSION_KEY, ""), hashes.get(data.get(SESSION_KEY, ""), "-")
        )
        and not (
            data[SESSION_KEY] in lacking
            and data.get(BACKEND_SESSION_KEY) == PASSWORD_BACKEND
        )
    }
