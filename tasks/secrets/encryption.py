"""Values of secret parameters at rest: encrypted as long as their task needs them.

AES-GCM with a key that is made of SECRET_KEY, and bound to the task: what is copied
into another row can't be read there.
"""

import base64
import hashlib
import hmac
import json
import os
import uuid
from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings

NONCE_BYTES = 12  # as NIST SP 800-38D wants it
KEY_BYTES = 32


class SecretKeyChanged(Exception):
    """Values that were encrypted with another SECRET_KEY can't be read."""


def sealed(task_id: uuid.UUID, values: Mapping[str, str]) -> str | None:
    """Return a task's secret values, encrypted; None where it has none."""
    if not values:
        return None
    # Imported where it is needed: most services have no secret parameter, and it takes
    # some 30 ms and 8 MB.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    text = json.dumps(values).encode()
    hidden = AESGCM(_key("encryption")).encrypt(nonce, text, task_id.bytes)
    return base64.b64encode(nonce + hidden).decode()


def opened(task_id: uuid.UUID, text: str | None) -> dict[str, str]:
    """Return the values that ``sealed`` encrypted. Raises SecretKeyChanged."""
    if text is None:
        return {}
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        data = base64.b64decode(text)
        nonce, hidden = data[:NONCE_BYTES], data[NONCE_BYTES:]
        found = AESGCM(_key("encryption")).decrypt(nonce, hidden, task_id.bytes)
    except (InvalidTag, ValueError) as error:
        raise SecretKeyChanged from error
    values: dict[str, str] = json.loads(found)
    return values


def digest_of(value: str) -> str:
    """Return what stands for a secret where only equal ones need to be known as such:
    a digest that nobody can guess at without SECRET_KEY."""
    return hmac.new(_key("digest"), value.encode(), hashlib.sha256).hexdigest()[:32]


def _key(purpose: str) -> bytes:
    return _derived(settings.SECRET_KEY, purpose)


@lru_cache(maxsize=4)
def _derived(secret_key: str, purpose: str) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"resource-sync secret parameters {purpose}".encode()
    derivation = HKDF(hashes.SHA256(), length=KEY_BYTES, salt=None, info=info)
    return derivation.derive(secret_key.encode())
