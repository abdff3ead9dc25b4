"""The two addresses that Cocos' clients ask, whatever version is served.

A stock client knows one address of ``version.manifest`` and one of
``project.manifest``. It reads the first; if that states a newer version than its own,
it reads the second, compares again, and loads the files that differ from the
``packageUrl`` in there. So ``project.manifest`` is written first: a client in between
finds the old version in the first and looks no further, or finds the new one whole.
Both come before the pointer, and after the version's folder holds every file.
Source: https://github.com/cocos/cocos-engine, native/extensions/assets-manager/
AssetsManagerEx.cpp (``parseVersion``, ``parseManifest``, ``prepareUpdateAsync``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from resources.errors import InputError
from resources.manifests.cocos import PROJECT_NAME, VERSION_NAME
from resources.manifests.cocos_addresses import (
    MANIFEST_URL,
    PACKAGE_URL,
    VERSION_URL,
    readdressed,
    text_at,
    without_files,
)
from resources.platforms import all_platforms
from resources.releases.published import PublishedRelease
from resources.releases.safeguards.cocos_release import (
    GameRelease,
    require_usable,
    stated_by,
    texts_of,
)
from resources.report import Report, counted
from resources.stores.release_store import ReleaseStore

NAMES = (PROJECT_NAME, VERSION_NAME)  # in the order in which they are written

_PACKAGE = re.compile(r"/versions/([^/]+)/$")


class FixedAddresses(NamedTuple):
    """What lies at the two addresses while a version is served."""

    project: bytes
    version: bytes


def are_asked(
    release: GameRelease, store: ReleaseStore, own_name: str | None = None
) -> bool:
    """Return whether Cocos' clients find a version by the store's fixed addresses."""
    return store.public_url is not None and stated_by(release, own_name) is not None


def ready_addresses(
    open_release: Callable[[str], PublishedRelease],
    stores: Mapping[str, ReleaseStore],
    report: Report,
    own_name: str | None = None,
) -> dict[str, FixedAddresses]:
    """Make the version's folders whole, and return what its fixed addresses say, for
    each platform whose players ask them. Needs the lock.

    ``open_release`` gives a platform's release, where there is need of it; ``own_name``
    is the setting RESOURCE_MANIFEST. Platforms without a public address, and versions
    that aren't of Cocos, have none. Raises InputError, before anything is
    written, for a manifest that no client understands, and for a version that isn't of
    Cocos where clients ask for one.
    """
    addresses: dict[str, FixedAddresses] = {}
    releases: dict[str, PublishedRelease] = {}
    for name, store in stores.items():
        if store.public_url is None:
            _warn_of_left(store, report)
            continue
        release = open_release(name)
        found = addresses_of(release, store, own_name)
        if found is None:
            require_none_asks(release, store, own_name)
        else:
            addresses[name], releases[name] = found, release
    for name, release in releases.items():
        _make_whole(release, stores[name], report)
    return addresses


def _make_whole(release: PublishedRelease, store: ReleaseStore, report: Report) -> None:
    from resources.releases.materialize import make_published_whole  # slow to import

    if copied := make_published_whole(release, store):
        report.count(release.platform, "copied", copied)
        report.line(f"Copied {counted(copied, 'file')} within the store.")


def write_addresses(
    platform: str, addresses: FixedAddresses | None, store: ReleaseStore, report: Report
) -> None:
    """Write what the fixed addresses don't say yet. Needs the lock."""
    if addresses is None:
        return
    written = []
    for name, content in zip(NAMES, addresses, strict=True):
        if store.fixed_document(name) != content:
            store.put_fixed_document(name, content)
            written.append(store.fixed_path(name))
    if written:
        where = all_platforms()[platform]
        report.line(f"Wrote {' and '.join(written)} of {where} for Cocos clients.")


def addresses_of(
    release: PublishedRelease, store: ReleaseStore, own_name: str | None = None
) -> FixedAddresses | None:
    """Return what the fixed addresses say while a version is served; None where it
    isn't of Cocos. Raises ManifestError."""
    stated = stated_by(release, own_name)
    if stated is None:
        return None
    require_usable(release, stated)
    project, version = texts_of(release, stated)
    urls = {
        PACKAGE_URL: f"{store.public_url}/versions/{release.version}/",
        MANIFEST_URL: f"{store.public_url}/{store.fixed_path(PROJECT_NAME)}",
        VERSION_URL: f"{store.public_url}/{store.fixed_path(VERSION_NAME)}",
    }
    if version is None:
        version = without_files(project)
    return FixedAddresses(
        *(readdressed(text, urls).encode() for text in (project, version))
    )


def wrong_addresses(
    release: PublishedRelease, store: ReleaseStore, own_name: str | None = None
) -> Iterator[str]:
    """Say what is wrong with the fixed addresses of each channel that serves a version
    to all."""
    if not are_asked(release, store, own_name):
        return
    served = [
        pointer.channel
        for pointer in store.pointers()
        if pointer[:2] == (release.version, release.manifest.sha256)
    ]
    for channel in served:
        yield from _wrong_on(store.on(channel), release, own_name)
    if not served:
        return
    from resources.releases.materialize import lacking_published  # slow to import

    if lacking := lacking_published(release, store):
        yield (
            f"NOT WHOLE versions/{release.version}: {counted(lacking, 'file')} that"
            " Cocos clients look for there can't be found"
        )


def addressed_versions(store: ReleaseStore) -> Iterator[str]:
    """Yield the versions that the fixed addresses of any channel name: those that are
    served, or that a publisher was about to serve when it was killed."""
    for channel in store.channels():
        content = store.on(channel).fixed_document(VERSION_NAME)
        if content is not None and (version := _named_in(content)):
            yield version


def _wrong_on(
    store: ReleaseStore, release: PublishedRelease, own_name: str | None
) -> Iterator[str]:
    expected = addresses_of(release, store, own_name)
    for name, content in zip(NAMES, expected or (), strict=False):
        path, found = store.fixed_path(name), store.fixed_document(name)
        if found == content:
            continue
        if found is None:
            reason = "is not there"
        elif (version := _named_in(found)) == release.version:
            reason = "has other content"
        else:
            reason = f"names {version or 'no version of this store'}"
        yield f"ADDRESS {path}: expected {release.version}, {reason}"


def _named_in(content: bytes) -> str | None:
    """Return the version whose folder a manifest sends clients to."""
    try:
        url = text_at(content.decode(), PACKAGE_URL)
    except (ValueError, IndexError, RecursionError):
        return None  # it is none of ours
    found = _PACKAGE.search(url or "")
    return found and found[1]


def require_none_asks(
    release: GameRelease, store: ReleaseStore, own_name: str | None = None
) -> None:
    """Raise InputError where Cocos' clients ask for a newer version, and this one isn't
    for them: they would wait for ever."""
    if store.public_url is None or are_asked(release, store, own_name):
        return
    for name in NAMES:
        if store.fixed_document(name) is not None:
            raise InputError(
                f"{release.version} of {release.platform} has no project.manifest of"
                f" Cocos, but Cocos clients ask {store.public_url}/"
                f"{store.fixed_path(name)} and would stay with what that says. If the"
                f" game is no longer of Cocos, delete {' and '.join(_paths(store))} in"
                " the store"
            )


def _warn_of_left(store: ReleaseStore, report: Report) -> None:
    """Warn of clients who don't learn of a move, because nobody said their address."""
    if store.fixed_document(VERSION_NAME) is not None:
        report.warning(
            f"{' and '.join(_paths(store))} in {store.name} stay as they are, and"
            " Cocos clients with them: RESOURCE_PUBLIC_URL is not set"
        )


def _paths(store: ReleaseStore) -> list[str]:
    return [store.fixed_path(name) for name in NAMES]
