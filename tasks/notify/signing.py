"""Signatures of what webhooks send: of Standard Webhooks, Feishu and DingTalk."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32  # Standard Webhooks takes 24 to 64


def new_secret() -> str:
    """Return a secret of Standard Webhooks: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def standard_headers(
    secret: str, message_id: str, at: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of an attempt; ``at``: seconds since 1970.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{at}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{_base64(key, signed)}",
    }


def feishu_sign(secret: str, at: int) -> str:
    """Return Feishu's ``sign``: time and secret are the key, and nothing is signed;
    ``at``: seconds since 1970.

    https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
    """
    return _base64(f"{at}\n{secret}".encode(), b"")


def dingtalk_sign(secret: str, at_ms: int) -> str:
    """Return DingTalk's ``sign``; ``at_ms``: milliseconds since 1970.

    https://open.dingtalk.com/document/robots/customize-robot-security-settings
    """
    return _base64(secret.encode(), f"{at_ms}\n{secret}".encode())


def _base64(key: bytes, signed: bytes) -> str:
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
