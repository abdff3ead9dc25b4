"""The platforms that resources are released for: their names, titles and order."""

from __future__ import annotations

import os
import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from resources.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "RESOURCE_PLATFORMS"
DEFAULT = "ios,android,facebook"
ALL = "all"  # what stands for each of them in a command
TITLES = {"ios": "iOS", "android": "Android", "facebook": "Facebook"}

# It names folders, and a part of a variable: RESOURCE_STORE_MINI_GAME.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def all_platforms(environment: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return each platform's title by its name, in order, as ``RESOURCE_PLATFORMS`` of
    an environment says, else of this process's. Raises InputError."""
    found = os.environ if environment is None else environment
    return read_platforms(found.get(VARIABLE) or DEFAULT)


@cache
def read_platforms(text: str) -> Mapping[str, str]:
    """Read names with commas between, each with a title where it has another.

    >>> dict(read_platforms("ios, wechat=WeChat"))
    {'ios': 'iOS', 'wechat': 'WeChat'}
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, separator, title = (piece.strip() for piece in part.partition("="))
        if not _NAME.fullmatch(name) or name == ALL:
            raise _error(
                f'"{name}" can\'t name a platform: up to 32 small letters, digits and'
                ' "_", a letter first, and not "all"'
            )
        if name in found:
            raise _error(f'"{name}" stands there twice')
        if separator and not (title and title.isprintable()):
            raise _error(f'"{name}=" is followed by no title')
        found[name] = title or TITLES.get(name, name)
    return MappingProxyType(found)


def _error(reason: str) -> InputError:
    return InputError(f"{VARIABLE}: {reason}; write it as {DEFAULT},wechat=WeChat")
