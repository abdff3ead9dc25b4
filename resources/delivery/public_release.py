"""A version as players find it: its pointer, its manifest, and where its files are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from resources.delivery.bodies import Content, Digest, Sink
from resources.delivery.fetching import Answer, Fetcher
from resources.delivery.http_answers import NoAnswerError
from resources.delivery.verdicts import (
    Finding,
    age_of,
    content_of,
    of_document,
    of_file,
    of_headers,
    served_instead,
)
from resources.errors import InputError, ManifestError
from resources.manifests.line_file import LineFile, temporary_file, write_temporary
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.reader import Manifest
from resources.stores.headers import CHANGING_HEADERS
from resources.stores.pointer import Pointer, pointer_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resources.manifests.format import Entry
    from resources.stores.headers import Headers

S = TypeVar("S", bound=Sink)

ASKED = 2  # times for the pointer, over a connection of its own each
MAX_DOCUMENT_BYTES = 1 << 16  # of a pointer and what may come instead
MAX_MANIFEST_BYTES = 1 << 30  # one of a million files has 0.2 GB


class Place(NamedTuple):
    """Where a version of a platform should be found, and as what.

    ``stored`` reads the pointer in the store anew, None where there is none to read;
    ``headers`` are those that files were published with.
    """

    platform: str
    channel: str
    version: str
    url: str
    headers: Headers
    stored: Callable[[], Pointer | None]


class PublicRelease:
    """What players find of a version. What is asked for first comes first:
    ``find_pointer``, as often as one likes, then ``find_manifest``, then files."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fetcher = Fetcher(place.url)
        self.pointer: Pointer | None = None  # the right one, as far as it is known
        self.age: int | None = None  # seconds, of the pointer in a cache
        self.manifest: Manifest | None = None
        self.is_whole = False  # whether players look in the version's own folder only

    def find_pointer(self) -> list[Finding]:
        """Ask for the pointer, and return what is wrong with it.

        Raises InputError where the store doesn't serve the version.
        """
        stored = self.place.stored()
        if stored is not None and not _serves(stored, self.place.version):
            raise InputError(
                f"{self.place.channel} of {self.place.platform} serves"
                f" {stored.version}, not {self.place.version}: publish that first, or"
                f" check {stored.version}"
            )
        self.pointer = stored
        findings: list[Finding] = []
        for _ in range(ASKED):
            self.fetcher.close()
            findings = self._ask_for_pointer(stored)
            if any(not finding.is_warning for finding in findings):
                break
        return findings

    def find_manifest(self) -> list[Finding]:
        """Ask for the manifest, and return what is wrong with it."""
        path = f"versions/{self.place.version}/{MANIFEST_NAME}"
        headers = self.place.headers.of(MANIFEST_NAME)
        answer, findings = self.ask_for(path, _InFile, MAX_MANIFEST_BYTES, headers)
        if answer is None:
            return findings
        try:
            manifest = Manifest(
                "the manifest",
                LineFile(content_of(answer).sink.file),
                platform=self.place.platform,
                version=self.place.version,
                published=True,
            )
            manifest.verify()
        except ManifestError as error:
            return [*findings, Finding("MISMATCH", path, str(error))]
        wanted = self._manifest_sha256()
        if wanted is not None and manifest.sha256 != wanted:
            reason = f"the pointer names {wanted}, it is {manifest.sha256}"
            return [*findings, Finding("MISMATCH", path, reason)]
        self.manifest = manifest
        return findings

    def ask_for(
        self,
        path: str,
        make: Callable[[], S],
        at_most: int,
        headers: Mapping[str, str],
    ) -> tuple[Answer[S] | None, list[Finding]]:
        """Fetch a document, and return it with what is wrong with how it came; None
        where there is nothing to look into. ``headers`` are those it should have;
        ``make`` and ``at_most`` as for ``Fetcher.fetch``."""
        try:
            answer = self.fetcher.fetch(path, make, at_most)
        except NoAnswerError as error:
            return None, [Finding("UNREADABLE", path, str(error))]
        findings = list(of_document(answer))
        if answer.status != 200:
            return None, findings
        return answer, [*findings, *of_headers(answer, headers)]

    def address_of(self, entry: Entry) -> str:
        """Return where players find a file, beneath the public address."""
        version = self.place.version
        if self.is_whole:
            return f"versions/{version}/{entry.path}"
        return f"versions/{entry.held_in or version}/{entry.stored.path}"

    def look_at(self, entry: Entry) -> list[Finding]:
        """Fetch a file, and return what is wrong with it."""
        path = self.address_of(entry)
        try:
            answer = self.fetcher.fetch(path, Digest, _most_bytes(entry))
        except NoAnswerError as error:
            return [Finding("UNREADABLE", path, str(error))]
        return list(of_file(answer, entry, self.place.headers.of(entry.path)))

    def look_at_many(self, entries: Sequence[Entry]) -> list[list[Finding] | None]:
        """Fetch files, and return what is wrong with each; None for those that have to
        be looked at one by one, as what came may be passing."""
        found: list[list[Finding] | None] = [None] * len(entries)
        wanted = [(self.address_of(entry), _most_bytes(entry)) for entry in entries]
        for place, answer in self.fetcher.fetch_many(wanted):
            entry = entries[place]
            headers = self.place.headers.of(entry.path)
            found[place] = list(of_file(answer, entry, headers))
        return found

    def _ask_for_pointer(self, stored: Pointer | None) -> list[Finding]:
        path = pointer_name(self.place.channel)
        answer, findings = self.ask_for(
            path, Content, MAX_DOCUMENT_BYTES, CHANGING_HEADERS
        )
        if answer is None:
            return findings
        self.age = age_of(answer.headers)
        content = content_of(answer).sink.content
        try:
            found = Pointer.decode(content)
        except ValueError:
            reason = f"it is no pointer; it begins with {content[:40]!r}"
            return [Finding("MISMATCH", path, reason), *findings]
        if (finding := self._against(found, stored, answer)) is not None:
            return [finding, *findings]
        self.pointer = found
        return findings

    def _against(
        self, found: Pointer, stored: Pointer | None, answer: Answer[Content]
    ) -> Finding | None:
        """Return what is wrong with the pointer that was found."""
        if found == stored:
            return None
        place, path = self.place, answer.path
        if (found.platform or place.platform, found.channel) != (
            place.platform,
            place.channel,
        ):
            reason = f"it is the pointer of {found.channel} of {found.platform}"
            return Finding("MISMATCH", path, reason)
        if not _serves(found, place.version):
            return Finding("STALE", path, served_instead(answer, found.version))
        if stored is None or found.serial > stored.serial:
            return None  # the latter where it has moved meanwhile
        if found.serial < stored.serial:
            older = f"serial {found.serial} of the pointer, not {stored.serial}"
            return Finding("STALE", path, served_instead(answer, older))
        names = [name for name in Pointer._fields if _differ(found, stored, name)]
        reason = f"not the pointer in the store: another {', '.join(names)}"
        return Finding("MISMATCH", path, reason)

    def _manifest_sha256(self) -> str | None:
        pointer = self.pointer
        if pointer is None:
            return None
        if pointer.version == self.place.version:
            return pointer.manifest_sha256
        return pointer.rollout.manifest_sha256 if pointer.rollout else None


class _InFile:
    """A sink that keeps what it takes in a temporary file."""

    def __init__(self) -> None:
        self.size = 0
        self.file = temporary_file()

    def add(self, data: memoryview | bytes) -> None:
        self.size += len(data)
        write_temporary(self.file, [bytes(data)])


def _most_bytes(entry: Entry) -> int:
    """Return how much of an answer is read for a file; what is compressed, though it
    can't be, is a little larger."""
    return entry.size + entry.size // 100 + MAX_DOCUMENT_BYTES


def _serves(pointer: Pointer, version: str) -> bool:
    """Return whether all or some of a channel's players get a version."""
    rollout = pointer.rollout
    return pointer.version == version or bool(rollout and rollout.version == version)


def _differ(one: Pointer, other: Pointer, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
