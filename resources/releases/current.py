"""What is served, for a program that only wants to show it.

With ``available`` and ``past`` all of the engine that the web service imports: they
raise nothing of the engine's where ``problem_of_platforms`` finds none, and write
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from resources.errors import EngineError
from resources.platforms import all_platforms
from resources.settings import read_settings
from resources.stores.pointer import Pointer
from resources.versions import is_version

if TYPE_CHECKING:
    from resources.stores.release_store import ReleaseStore

__all__ = [
    "Served",
    "all_platforms",
    "is_version",
    "problem_of_platforms",
    "read_served",
]


class Served(NamedTuple):
    """What one platform serves: None for nothing yet, and where ``problem`` says why
    it can't be told. The problem is for a log: it may name folders."""

    pointer: Pointer | None
    problem: str | None


def problem_of_platforms() -> str:
    """Return what is wrong with ``RESOURCE_PLATFORMS``; "" where nothing is."""
    try:
        all_platforms()
    except EngineError as error:
        return str(error)
    return ""


def read_served(platform: str, environment: Mapping[str, str]) -> Served:
    """Read the pointer of a platform's store, which the environment names.

    It takes as long as the store takes to answer.
    """
    try:
        return Served(own_store(platform, environment).pointer(), None)
    except EngineError as error:
        return Served(None, str(error))


def own_store(platform: str, environment: Mapping[str, str]) -> ReleaseStore:
    """Return a platform's store; only its own setting is looked at, so that a wrong one
    of another doesn't matter. Raises InputError."""
    others = {
        f"RESOURCE_STORE_{name.upper()}"
        for name in all_platforms(environment)
        if name != platform
    }
    own = {name: value for name, value in environment.items() if name not in others}
    return read_settings(own, source=None, store=None).open_store(platform)
