"""The server's signature of each byte of an export.

An export can be changed together with the digests in it, and its task may be deleted
long before anybody asks. What is signed can be asked of the server as long as its
SECRET_KEY is the same, and nothing has to be kept for it.
"""

import uuid

from django.core.signing import BadSignature, Signer

_SALT = "tasks.presenters.export"


def signature(task_id: uuid.UUID, digest: str) -> str:
    """Return what proves that this server wrote an export with that digest."""
    return Signer(salt=_SALT).sign(f"{task_id}:{digest}").rpartition(":")[2]


def is_signed(task_id: uuid.UUID, digest: str, signature: str) -> bool:
    """Return whether this server gave that signature."""
    try:
        Signer(salt=_SALT).unsign(f"{task_id}:{digest}:{signature}")
    except BadSignature:
        return False
    return True
