"""Tell caches in front of a store what changed: ``RESOURCE_PURGE``.

It is the address of a webhook, which gets ``{"urls": [...]}`` as JSON by POST, or the
command line of a program, which gets the same addresses on stdin, one a line. Neither
address nor command line is ever written anywhere: they hold secrets.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from resources.errors import AfterwardsError, InputError, StoreError
from resources.manifests.cocos import PROJECT_NAME, VERSION_NAME
from resources.report import Report

if TYPE_CHECKING:
    from resources.stores.release_store import ReleaseStore

PAUSES = (1.0, 2.0, 4.0)  # seconds before the second, third and fourth try
AT_ONCE = 500  # addresses of one request or run; about 60 kB

# Whatever serves a version purges its addresses, also where it has nothing to move.
AGAIN = "To purge once more, run the same command again"
AFTER_HALT = "To purge once more, publish the version that is served"
BY_HAND = "Another repair finds nothing damaged: purge the addresses above by hand"

Sleep = Callable[[float], None]


class Purge(Protocol):
    """What is told of changed addresses."""

    def send(self, urls: Sequence[str], report: Report) -> None:
        """Tell it once. Raises PurgeError."""


def read_purge(environment: Mapping[str, str]) -> Purge | None:
    """Return what ``RESOURCE_PURGE`` names; None where it names nothing. Raises
    InputError, which does not say what stands there."""
    text = (environment.get("RESOURCE_PURGE") or "").strip()
    if not text:
        return None
    # Slow to import: an HTTP client, and most commands have nothing to purge.
    from resources.delivery.purge_receivers import Command, Webhook

    if "://" in text.partition(" ")[0]:
        try:
            parts = urlsplit(text)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port  # raises where it is none
        except ValueError:
            is_address = False
        if not (
            is_address and text.isascii() and text.isprintable() and " " not in text
        ):
            raise _error("that is no address, such as https://hooks.example.com/purge")
        return Webhook(text)
    try:
        words = shlex.split(text)
    except ValueError as reason:
        raise _error(f"that is no command line: {str(reason).lower()}") from None
    if shutil.which(words[0]) is None:
        raise _error("its first word is no program that can be run")
    return Command(words)


def required_purge(
    environment: Mapping[str, str], stores: Iterable[ReleaseStore]
) -> Purge | None:
    """Return the same, before anything is written to stores whose addresses would have
    to be purged then. Raises InputError where nobody said these."""
    purge = read_purge(environment)
    if purge is not None and any(store.public_url is None for store in stores):
        raise _error(
            "what is purged is an address, and RESOURCE_PUBLIC_URL is not set; set it"
            " to where players find the store, as https://cdn.example.com/games"
        )
    return purge


def purge_served(
    purge: Purge | None,
    stores: Iterable[ReleaseStore],
    report: Report,
    *,
    done: str = "published",
    way_out: str = AGAIN,
) -> None:
    """Tell ``purge`` of all addresses that say which version is served, of each store's
    channel. They are asked of the store, and not remembered while they were written,
    so that running a command again purges what a kill left.

    ``done`` is the participle for what was done, ``way_out`` what to do where the purge
    fails. Raises AfterwardsError.
    """
    if purge is None:
        return
    try:
        urls = [address_of(store, path) for store in stores for path in _served(store)]
    except StoreError as error:
        raise _failure(done, str(error), way_out) from None
    purge_addresses(purge, urls, report, done=done, way_out=way_out)


def _served(store: ReleaseStore) -> Iterator[str]:
    """Yield the paths of the pointer, and of the fixed addresses if there are any."""
    yield store.pointer_path
    if store.fixed_document(VERSION_NAME) is not None:
        yield store.fixed_path(PROJECT_NAME)
        yield store.fixed_path(VERSION_NAME)


def purge_repaired(
    purge: Purge | None,
    stores: Mapping[str, ReleaseStore],
    mended: Mapping[str, Sequence[str]],
    report: Report,
) -> None:
    """Tell ``purge`` of what was repaired, as paths beneath each platform's folder; a
    line names each address of which it could not be told. Raises AfterwardsError."""
    urls = [address_of(stores[name], path) for name in mended for path in mended[name]]
    if purge is None or not urls:
        return
    try:
        purge_addresses(purge, urls, report, done="repaired", way_out=BY_HAND)
    except AfterwardsError:
        for url in urls:
            report.line(f"NOT PURGED {url}")
        raise


def address_of(store: ReleaseStore, path: str) -> str:
    """Return where players find what lies under a platform's folder."""
    return f"{store.public_url}/{quote(path)}"


def purge_addresses(
    purge: Purge,
    urls: Sequence[str],
    report: Report,
    *,
    done: str = "published",
    way_out: str = AGAIN,
    pauses: Sequence[float] = PAUSES,
    sleep: Sleep = time.sleep,
) -> None:
    """Tell ``purge`` of all addresses, and try again where that fails.

    ``done`` is the participle for what was changed, ``way_out`` what to do where it
    fails for good. Raises AfterwardsError.
    """
    from resources.delivery.purge_receivers import PurgeError

    for first in range(0, len(urls), AT_ONCE):
        remaining = list(pauses)
        while True:
            try:
                purge.send(urls[first : first + AT_ONCE], report)
                break
            except PurgeError as error:
                if not (error.may_pass and remaining):
                    tries = len(pauses) - len(remaining) + 1
                    times = "" if tries == 1 else f", {tries} times"
                    raise _failure(done, f"{error}{times}", way_out) from None
                wait = max(remaining.pop(0), error.pause or 0.0)
                report.warning(f"{error}; trying again in {wait:g} s")
                sleep(wait)
    noun = "address" if len(urls) == 1 else "addresses"
    report.line(f"Purged {len(urls)} {noun}.")


def _failure(done: str, reason: str, way_out: str) -> AfterwardsError:
    return AfterwardsError(
        f"{done}, but the purge failed: {reason}; players may get what was there before"
        f" until caches expire. {way_out}"
    )


def _error(reason: str) -> InputError:
    return InputError(f"RESOURCE_PURGE: {reason}")
