"""The pointer of a channel: which version its players get.

``live`` is the channel that every platform has, and ``current.json`` its pointer; those
of other channels are ``channels/<name>.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from resources.versions import is_version

LIVE = "live"
POINTER_NAME = "current.json"  # of the live channel
CHANNELS_FOLDER = "channels"
POINTER_FORMAT = "release-pointer/2"
FIRST_FORMAT = "release-pointer/1"  # without channel, serial and rollout
MAX_POINTER_BYTES = 4096
CHANNEL = re.compile("[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
# The folder of a channel holds its fixed addresses; these hold something else.
NO_CHANNELS = ("versions", CHANNELS_FOLDER)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
PARTS = 10_000  # that the players of a channel are divided into
PARTS_PER_PERCENT = PARTS // 100


class Rollout(NamedTuple):
    """A version that a share of a channel's players gets before all do.

    ``parts`` of 10,000 get it: a player does when the first 8 hex digits of SHA-256 of
    ``salt:PLAYER``, as a number modulo 10,000, are below. So nobody falls out of it
    when ``parts`` grows. ``since`` is when it began (UTC, ISO 8601).
    """

    version: str
    manifest_sha256: str
    parts: int
    salt: str
    since: str

    @property
    def percent(self) -> int | float:
        """Return the share as it is written: a whole number where it is one."""
        whole, rest = divmod(self.parts, PARTS_PER_PERCENT)
        return self.parts / PARTS_PER_PERCENT if rest else whole

    def values(self) -> dict[str, Any]:
        """Return what the pointer says of it."""
        return {
            "version": self.version,
            "sha256": self.manifest_sha256,
            "percent": self.percent,
            "salt": self.salt,
            "since": self.since,
        }


class Signature(NamedTuple):
    """Whose word a pointer is: the id of a key, and 64 bytes as hex digits. What they
    prove is the matter of ``resources/signing``."""

    key: str
    ed25519: str


class Pointer(NamedTuple):
    """The content of a pointer: the version served, and the digest that its manifest
    ends with, as 64 hex digits.

    ``previous`` is the version served before, ``published_at`` when that changed (UTC,
    ISO 8601 with milliseconds), ``task_id`` the service's task that changed it. Each
    is None where nobody wrote it down. ``serial`` grows with each move, so that a
    reader knows an old pointer from the present one; 0 where nobody counted.
    ``expires`` is from when on (UTC, ISO 8601) readers don't follow it any more.
    """

    version: str
    manifest_sha256: str
    previous: str | None = None
    published_at: str | None = None
    task_id: str | None = None
    platform: str | None = None
    channel: str = LIVE
    serial: int = 0
    rollout: Rollout | None = None
    expires: str | None = None
    signature: Signature | None = None

    def encode(self) -> bytes:
        """Return the file's content."""
        return (json.dumps(self.values(), indent=2) + "\n").encode()

    def values(self) -> dict[str, Any]:
        """Return what the file says, by name."""
        return {
            "format": POINTER_FORMAT,
            "platform": self.platform,
            "channel": self.channel,
            "version": self.version,
            "sha256": self.manifest_sha256,
            # As the first format calls it, for clients that were written for that.
            "manifestSha256": self.manifest_sha256,
            "serial": self.serial,
            "previous": self.previous,
            "publishedAt": self.published_at,
            "taskId": self.task_id,
            "rollout": self.rollout and self.rollout.values(),
            "expires": self.expires,
            "signature": self.signature and self.signature._asdict(),
        }

    @classmethod
    def decode(cls, content: bytes) -> Pointer:
        """Read a pointer of this format or of the first one. Raises ValueError when it
        is damaged.

        >>> rollout = Rollout("v886", "1" * 64, 550, "5a", "2026-11-29T10:00:00.000Z")
        >>> pointer = Pointer("v885", "0" * 64, previous="v884", rollout=rollout)
        >>> Pointer.decode(pointer.encode()) == pointer
        True
        """
        try:
            values = json.loads(content)
            if values["format"] not in (POINTER_FORMAT, FIRST_FORMAT):
                raise ValueError("no pointer")
            first = values["format"] == FIRST_FORMAT
            return cls(
                _version(values),
                _text(values, "manifestSha256" if first else "sha256"),
                _text_or_none(values, "previous"),
                _text_or_none(values, "publishedAt"),
                _text_or_none(values, "taskId"),
                _text_or_none(values, "platform"),
                LIVE if first else _channel(values),
                0 if first else _count(values, "serial"),
                None if first else _rollout(values.get("rollout")),
                None if first else _moment_or_none(values, "expires"),
                None if first else _signature(values.get("signature")),
            )
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("no pointer") from None


def is_channel(text: str) -> bool:
    """Return whether a channel may have this name.

    >>> is_channel("beta"), is_channel("Beta"), is_channel("qa-"), is_channel("../x")
    (True, False, False, False)
    >>> is_channel("versions")
    False
    """
    return CHANNEL.fullmatch(text) is not None and text not in NO_CHANNELS


def pointer_name(channel: str) -> str:
    """Return the file of a channel's pointer, beneath the platform's folder."""
    return POINTER_NAME if channel == LIVE else f"{CHANNELS_FOLDER}/{channel}.json"


def _rollout(values: Mapping[str, Any] | None) -> Rollout | None:
    if values is None:
        return None
    percent = values["percent"]
    if not isinstance(percent, int | float) or not 0 < percent < 100:
        raise ValueError("no share of the players")
    parts = round(percent * PARTS_PER_PERCENT)
    digest, salt, since = (_text(values, name) for name in ("sha256", "salt", "since"))
    return Rollout(_version(values), digest, parts, salt, since)


def _signature(values: Mapping[str, Any] | None) -> Signature | None:
    if values is None:
        return None
    return Signature(_text(values, "key"), _text(values, "ed25519"))


def _version(values: Mapping[str, Any]) -> str:
    version = _text(values, "version")
    if not is_version(version):
        raise ValueError("no version")
    return version


def _channel(values: Mapping[str, Any]) -> str:
    channel = _text(values, "channel")
    if not is_channel(channel):
        raise ValueError("no channel")
    return channel


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values[name]
    if not isinstance(text, str):
        raise ValueError(f"{name} is no text")
    return text


def _text_or_none(values: Mapping[str, Any], name: str) -> str | None:
    return None if values.get(name) is None else _text(values, name)


def _moment_or_none(values: Mapping[str, Any], name: str) -> str | None:
    """Return a time in the one form in which times can be compared as texts."""
    text = _text_or_none(values, name)
    if text is not None and not MOMENT.fullmatch(text):
        raise ValueError(f"{name} is no time")
    return text


def _count(values: Mapping[str, Any], name: str) -> int:
    count = values[name]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ValueError(f"{name} is no count")
    return count
