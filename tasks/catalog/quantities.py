"""Durations and sizes as people write them, in files, variables and options: "90d",
"2GiB". Imports nothing, because settings are read by it."""

import re

DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SIZE = re.compile(r"([1-9][0-9]{0,14})(KiB|MiB|GiB)")
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LONGEST_SECONDS = 36_500 * SECONDS["d"]  # before it no calendar begins
LARGEST_BYTES = 2**62  # as a column of the database has it
MOST_TASKS = 10**9
# What limits of retention take; 0 is no limit.
TAKES_COUNT = f"a whole number of finished tasks to keep, up to {MOST_TASKS}; 0 for all"
TAKES_AGE = "a duration in s, m, h or d, e.g. 90d; 0 for no limit"
TAKES_SIZE = "bytes, or a size in KiB, MiB or GiB, e.g. 20GiB; 0 for no limit"


def seconds_of(text: str, units: str = "smhd") -> float:
    """Return the seconds of a duration. Raises ValueError."""
    found = DURATION.fullmatch(text)
    if not found or found[2] not in units:
        raise ValueError(text)
    return float(found[1]) * SECONDS[found[2]]


def bytes_of(text: str) -> int:
    """Return the bytes of a size that names its unit. Raises ValueError."""
    found = SIZE.fullmatch(text)
    if not found:
        raise ValueError(text)
    return int(found[1]) * BYTES[found[2]]


def count_limit(text: str) -> int:
    """Return how many tasks are kept; 0 for all. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MOST_TASKS:
        raise ValueError(text)
    return int(text)


def age_limit(text: str) -> int:
    """Return in whole seconds how old a task may become; 0 for no limit. Raises
    ValueError."""
    seconds = 0.0 if text == "0" else seconds_of(text)
    if not (text == "0" or 1 <= seconds <= LONGEST_SECONDS):
        raise ValueError(text)
    return int(seconds)


def size_limit(text: str) -> int:
    """Return how many bytes may be kept; 0 for no limit. Raises ValueError."""
    size = int(text) if re.fullmatch(r"[0-9]{1,19}", text) else bytes_of(text)
    if size > LARGEST_BYTES:
        raise ValueError(text)
    return size


def age_text(seconds: int) -> str:
    """Return a duration as people write it, in the largest unit that it fills."""
    for unit in "dhm":
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"


def size_text(size: int) -> str:
    """Return a size as people write it, in the largest unit that it fills."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit}"
    return f"{size} bytes"
