"""The environment's variables, read and checked: ``.env`` included.

A wrong value stops the start with one line that names the variable and what it takes.
"""

import ipaddress
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dotenv import load_dotenv

from resource_sync import private_files
from resource_sync.database import WrongUrl, without_password

BASE_DIR = Path(__file__).resolve().parent.parent

T = TypeVar("T")


class SettingError(SystemExit):
    """Stops the start with one line, as the shell shows it."""


# Every process of the service comes by here before it writes its first file.
os.umask(private_files.UMASK)

# Into the real environment, because programs started from here read it, too: AWS_*,
# RESOURCE_*. What is set already wins.
try:
    load_dotenv(BASE_DIR / ".env")
except (OSError, UnicodeError) as error:
    raise SettingError(
        f"{BASE_DIR / '.env'} can't be read ({getattr(error, 'strerror', error)}); it "
        "takes text in UTF-8 that the account of the service can read."
    ) from error
# Django sets TZ to its own, which is not what programs started from here should have.
HOST_TZ = os.environ.get("TZ")
names_read: set[str] = set()


def setting(name: str, default: str, parse: Callable[[str], T], takes: str) -> T:
    """Return the value of a variable. Raises SettingError."""
    names_read.add(name)
    raw = os.environ.get(name, default).strip()
    try:
        return parse(raw)
    except (ValueError, TypeError) as error:
        shown = without_password(raw)
        shown = repr(shown if len(shown) <= 80 else shown[:80] + "…")
        if parse is secret:  # what nobody reads over a shoulder or in a log
            shown = f"a value of {len(raw)} characters"
        wrong = str(error) if isinstance(error, WrongUrl) else f"{shown} is not valid"
        message = f"{name}: {wrong}; expected {takes}."
        raise SettingError(message) from error


def port(raw: str) -> int:
    if not 1 <= int(raw) <= 65535:
        raise ValueError
    return int(raw)


def boolean(raw: str) -> bool:
    words = {"1": True, "true": True, "on": True, "yes": True}
    words |= {"": False, "0": False, "false": False, "off": False, "no": False}
    if raw.lower() not in words:
        raise ValueError
    return words[raw.lower()]


def name_list(raw: str) -> list[str]:
    return [part.strip() for part in raw.split(",") if part.strip()]


def cidr_list(
    raw: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(part) for part in name_list(raw)]


def allowed_targets(
    raw: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network | str]:
    """Networks, and names of hosts; ``.example.com`` is that one and all below it."""
    found: list[ipaddress.IPv4Network | ipaddress.IPv6Network | str] = []
    for part in name_list(raw.lower()):
        if re.fullmatch(r"[.]?[a-z0-9_-]+([.][a-z0-9_-]+)*[.]?[a-z][a-z0-9-]*", part):
            found.append(part)
        else:
            found.append(ipaddress.ip_network(part))
    return found


# Of a runner, and of a task type that needs a runner with it.
LABEL = r"[A-Za-z0-9][A-Za-z0-9._=/-]{0,62}"


def label_list(raw: str) -> list[str]:
    if not all(re.fullmatch(LABEL, label) for label in name_list(raw)):
        raise ValueError
    return name_list(raw)


def origin_list(raw: str) -> list[str]:
    for origin in name_list(raw):
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc
        if origin not in {"*", "null"} and (not is_origin or parts.path):
            raise ValueError
    return name_list(raw)


def rate(raw: str) -> str | None:
    if raw == "0":
        return None
    if not re.fullmatch(r"[1-9][0-9]*/[1-9]?[0-9]*[smhd]", raw):
        raise ValueError
    return raw


def log_level(raw: str) -> str:
    return one_of("DEBUG", "INFO", "WARNING", "ERROR")(raw.upper())


def one_of(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in words:
            raise ValueError
        return raw

    return parse


def folder(raw: str) -> Path:
    if not raw or "\0" in raw:
        raise ValueError
    return (BASE_DIR / Path(raw).expanduser()).resolve()


def path_list(raw: str) -> list[Path]:
    if not name_list(raw):
        raise ValueError
    return [folder(part) for part in name_list(raw)]


def duration(raw: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", raw)
    if not found:
        raise ValueError
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def umask(raw: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", raw):
        raise ValueError
    return int(raw, 8)


def redis_url(raw: str) -> str:
    if raw and urlsplit(raw).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError
    return raw


def secret(raw: str) -> str:
    if 0 < len(raw) < 32:
        raise ValueError
    return raw


# Elsewhere (macOS) one of the sockets that share a port gets every connection.
MOST_WEB_PROCESSES = 64 if sys.platform == "linux" else 1


def one_to(most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not 1 <= int(raw) <= most:
            raise ValueError
        return int(raw)

    return parse


BOOLEANS = "on or off (1, true, yes; 0, false, no)"
CIDRS = "addresses or CIDRs with commas between, e.g. 10.0.0.0/8,192.168.1.7"
RATE = "COUNT/PERIOD with s, m, h or d, e.g. 30/m, or 0 for no limit"
FOLDER = "a folder's path"
LONG_ENOUGH = "at least 32 random characters"


def make_own_folder(name: str, path: Path) -> None:
    """Make a folder that the variable ``name`` says, for this account alone. Raises
    SettingError where it can't be made, or written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"{name}: {str(path)!r} cannot be made ({error.strerror}); "
            f"expected {FOLDER} that can be written."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingError(
            f"{name}: {str(path)!r} can't be written by this account "
            f"({private_files.account(os.geteuid())}); expected {FOLDER} that can be."
        )
    private_files.make_private(path)
