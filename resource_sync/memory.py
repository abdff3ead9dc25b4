"""Memory that the C library would keep, though nothing uses it any more."""

import ctypes

M_ARENA_MAX = -8  # malloc.h of glibc
MOST_ARENAS = 2
TRIM_SECONDS = 10.0


def keep_few_arenas() -> None:
    """Let threads share two heaps. glibc gives every thread its own, up to eight a
    core, and what one of them held at its peak is of no use to the others."""
    if mallopt := _of_glibc("mallopt"):
        mallopt(M_ARENA_MAX, MOST_ARENAS)


def give_back() -> None:
    """Give the system what is free within the heaps; by itself glibc gives back only
    what lies at their end."""
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    """Return one of its functions; None where the C library is another."""
    return getattr(ctypes.CDLL(None), name, None)
