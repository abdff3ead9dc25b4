"""Which service, and with which key: from the environment, or as ``login`` kept it."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from client.errors import USAGE, Stop
from client.made_for import SERVICE
from client.words import words

URL_VARIABLE, KEY_VARIABLE = "RESOURCE_SYNC_URL", "RESOURCE_SYNC_KEY"


class Account(NamedTuple):
    url: str  # without a slash at its end
    key: str


def config_file() -> Path:
    """Return where ``login`` keeps it (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return folder / "resource-sync" / "account.json"


def checked_url(text: str) -> str:
    """Return the service's URL without a slash at its end. Raises Stop."""
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        text = words("{url!r} is no URL of a service; it looks like https://….")
        raise Stop(text.format(url=url), USAGE)
    if parts.username or parts.password:
        raise Stop(words("A password never stands in the URL."), USAGE)
    return url


def checked_key(text: str) -> str:
    """Return a key. Raises Stop where it can be none."""
    key = text.strip()
    if not re.fullmatch("[!-~]+", key):
        raise Stop(words("A key is one word of printable ASCII characters."), USAGE)
    return key


def known_account() -> Account:
    """Return the service and the key to use. Raises Stop where there is none.

    A kept key is sent only to the service that it was kept for.
    """
    kept = kept_account()
    url = os.environ.get(URL_VARIABLE) or (kept.url if kept else SERVICE)
    if not url:
        text = words("Say which service: resource-sync login URL, or set {name}.")
        raise Stop(text.format(name=URL_VARIABLE), USAGE)
    url = checked_url(url)
    key = os.environ.get(KEY_VARIABLE) or (kept.key if kept and kept.url == url else "")
    if not key:
        text = words("No key for {url}: resource-sync login, or set {name}.")
        raise Stop(text.format(url=url, name=KEY_VARIABLE), USAGE)
    return Account(url, checked_key(key))


def kept_account() -> Account | None:
    """Return what ``login`` kept. Raises Stop where others may read it, too."""
    file = config_file()
    try:
        with file.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                text = words("Others may read {file}: chmod 600 it, or log in again.")
                raise Stop(text.format(file=file), USAGE)
            kept = json.load(opened)
        return Account(kept["url"], kept["key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        text = words("{file} can't be read: log in again.")
        raise Stop(text.format(file=file), USAGE) from None


def keep(account: Account) -> Path:
    """Write the file anew, for its owner alone; returns where."""
    file = config_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(new, flags, 0o600), "w", encoding="utf-8") as opened:
        json.dump(account._asdict(), opened)
        opened.write("\n")
    os.replace(new, file)
    return file
