"""What a bucket's server takes and what it refuses, found out by asking it.

Documents of S3's likes say little of it, and servers change. So each thing that the
engine relies on is tried once with small objects beneath a prefix of their own, which
is empty again in the end.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from resources.errors import StoreError
from resources.stores.bucket.etag import md5_of_etag
from resources.stores.bucket.failures import reason_of
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.profiles import Abilities, Style
from resources.stores.bucket.signed import SignedRequests
from resources.stores.bucket.trials import CONTENT, PLAIN, Trials, Tried
from resources.stores.finding import Finding

if TYPE_CHECKING:
    from obstore import UpdateVersion

PART_BYTES = 5 << 20  # the least that S3's take of a part that isn't the last one
HEADERS = {"Content-Type": "application/wasm", "Cache-Control": "no-cache"}
WRONG: UpdateVersion = {"e_tag": f'"{"0" * 32}"', "version": "1"}
CHECKSUM = "x-amz-checksum-sha256"

STYLE_NAMES: dict[Style, str] = {
    "path": "Path style",
    "virtual": "Virtual-hosted style",
}


class BucketProbe:
    """Tries what the server of a location does.

    ``taken`` has what it takes, for each style of requests that it takes, that of the
    location first; it is complete once ``findings`` has ended. All of it is meant to
    run in a thread of its own, which ``stop`` ends at its next request.
    """

    def __init__(
        self, location: ObjectLocation, environment: Mapping[str, str]
    ) -> None:
        self._location = location.beneath(f".probe-{uuid.uuid4().hex[:12]}")
        self._environment = environment
        self._is_s3 = location.url.startswith("s3://")
        self._trials = Trials(self._location)
        self._styles: list[Style] = []
        self._able = Abilities()
        self.scratch = self._location.url
        self.stop = self._trials.stop

    @property
    def taken(self) -> list[Abilities]:
        """What the server takes, in each style that it takes."""
        return [self._able._replace(style=style) for style in self._styles]

    def findings(self) -> Iterator[Finding]:
        """Try everything, and yield what came of it.

        Raises StoreError when the server can't be reached, or doesn't let objects be
        written, read, listed and deleted; StoppedError after ``stop``.
        """
        if self._is_s3:
            yield from self._try_styles()
        else:
            self._styles = [self._location.abilities.style]
        yield self._try_objects()
        yield self._try_etag()
        yield self._try_headers()
        yield from self._try_conditions()
        if self._is_s3:
            yield self._try_checksums()
        yield self._try_parts()
        yield self._try_copy()
        if self._is_s3:
            yield self._try_deletes()

    def clear(self) -> str:
        """Delete all that was written, and return why something is left, if so."""
        obstore, client = self._trials.obstore, self._trials.client()
        try:
            for page in obstore.list(client):
                for item in page:
                    obstore.delete(client, item["path"])
        except (FileNotFoundError, obstore.exceptions.BaseError) as error:
            return reason_of(error)
        return ""

    def _try_styles(self) -> Iterator[Finding]:
        own = self._location.abilities.style
        other: Style = "path" if own == "virtual" else "virtual"
        reasons = []
        for style in (own, other):
            place = self._location.in_style(style)
            named = STYLE_NAMES[style]
            if place is not None and place.endpoint:
                named = f"{named} ({place.endpoint})"
            if place is None:
                why = "its endpoint is an address without a name"
                yield Finding(f"{style}Style", None, f"{named} can't be tried: {why}.")
                continue
            self._trials.place = place
            tried = self._trials.put("style").and_then(
                lambda: self._trials.comes_back("style", CONTENT)
            )
            if tried.taken:
                self._styles.append(style)
                yield Finding(f"{style}Style", True, f"{named} works.")
            else:
                reasons.append(tried.reason)
                yield Finding(
                    f"{style}Style", False, f"{named} is refused: {tried.reason}."
                )
        if not self._styles:
            raise StoreError(f"cannot write in {self._location.store}: {reasons[0]}")
        self._trials.place = self._location.in_style(self._styles[0]) or self._location

    def _try_objects(self) -> Finding:
        trials = self._trials
        obstore, client = trials.obstore, trials.client()
        names = ["objects/a", "objects/b"]
        steps: list[tuple[str, Callable[[], Tried]]] = [
            ("written", lambda: trials.put(names[0])),
            ("written", lambda: trials.put(names[1])),
            ("read", lambda: trials.comes_back(names[0], CONTENT)),
            ("listed", lambda: trials.are_listed("objects", names)),
            (
                "deleted",
                lambda: trials.attempt(lambda: obstore.delete(client, names[0])),
            ),
            ("deleted", lambda: trials.are_listed("objects", names[1:])),
        ]
        for action, request in steps:
            tried = request()
            if not tried.taken:
                place = self._location.store
                raise StoreError(
                    f"objects can't be {action} in {place}: {tried.reason}"
                )
        text = "Objects are written, read, listed and deleted."
        return Finding("objects", True, text, needed=True)

    def _try_etag(self) -> Finding:
        state: UpdateVersion = {}
        self._trials.put("etag", state=state)
        is_md5 = md5_of_etag(state.get("e_tag")) == _hex_md5(CONTENT)
        text = "An object's ETag is its MD5, which proves an upload."
        if not is_md5:
            text = (
                "An object's ETag is not its MD5: each upload is read back, so a sync"
                " takes about twice as long."
            )
        return Finding("etag", is_md5, text)

    def _try_headers(self) -> Finding:
        trials = self._trials
        kept: dict[str, str] = {}

        def read() -> None:
            found = trials.obstore.get(trials.client(), "headers")
            kept.update({key: str(value) for key, value in found.attributes.items()})

        tried = trials.put("headers", attributes=HEADERS)
        tried.and_then(lambda: trials.attempt(read))
        lost = [name for name, value in HEADERS.items() if kept.get(name) != value]
        what = "are not kept" if lost else "are kept"
        text = f"{' and '.join(lost or HEADERS)} of objects {what}."
        return Finding("headers", not lost, text)

    def _try_conditions(self) -> Iterator[Finding]:
        """A server that ignores a condition is worse than one that refuses it: nothing
        says that it overwrote what another publisher wrote."""
        put = self._trials.put
        if self._location.url.startswith("gs:"):
            of_new = of_state = "x-goog-if-generation-match"
        else:
            of_new, of_state = "If-None-Match", "If-Match"
        new = put("create", mode="create")
        again = put("create", mode="create") if new.taken else new
        created = _of_condition("createOnly", of_new, new, again)
        yield created
        state: UpdateVersion = {}
        put("update", state=state)
        right = put("update", mode=state)
        wrong = put("update", mode=WRONG) if right.taken else right
        updated = _of_condition("updateOnly", of_state, right, wrong)
        yield updated
        works = bool(created.works and updated.works)
        self._able = self._able._replace(conditions=works)

    def _try_checksums(self) -> Finding:
        tried = self._trials.put("checksum", PLAIN._replace(checksums=True))
        self._able = self._able._replace(checksums=tried.taken)
        if not tried.taken:
            text = f"{CHECKSUM} is refused: {tried.reason}."
            return Finding("checksums", False, text)
        requests = SignedRequests(self._trials.place, self._environment)
        if not requests.can_sign:
            text = f"{CHECKSUM} is taken; without keys a wrong one can't be tried."
            return Finding("checksums", True, text)
        of_other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        prefix = self._location.url.split("/", 3)[3]
        try:
            answer = requests.ask(
                "PUT",
                f"{prefix}/wrong-checksum",
                headers={CHECKSUM: of_other, "content-type": "text/plain"},
                content=CONTENT,
            )
            failure = f"{answer.status} {answer.reason}"
        except StoreError as error:
            answer, failure = None, str(error)
        if answer is not None and answer.status < 300:
            what = "and a wrong one is taken, too: it proves nothing"
        elif answer is not None and answer.status < 500:
            what = "and a wrong one is refused"
        else:
            what = f"but what becomes of a wrong one could not be tried: {failure}"
        return Finding("checksums", True, f"{CHECKSUM} is taken, {what}.")

    def _try_parts(self) -> Finding:
        checksums = self._location.abilities.checksums and self._able.checksums
        content = bytes(PART_BYTES) + CONTENT
        abilities = PLAIN._replace(checksums=checksums)
        tried = self._trials.put_parts("parts", content, PART_BYTES, abilities)
        text = "Objects are written in parts."
        if not tried.taken and checksums:
            text = f"Objects are written in parts without {CHECKSUM}: {tried.reason}."
            self._able = self._able._replace(checksums=False)
            tried = self._trials.put_parts("parts", content, PART_BYTES, PLAIN)
        if not tried.taken:
            text = (
                "Objects can't be written in parts, as all above 8 MiB are:"
                f" {tried.reason}."
            )
        return Finding("parts", tried.taken, text, needed=True)

    def _try_copy(self) -> Finding:
        trials = self._trials
        obstore, client = trials.obstore, trials.client()
        tried = (
            trials.put("copy-from")
            .and_then(
                lambda: trials.attempt(
                    lambda: obstore.copy(client, "copy-from", "copy-to")
                )
            )
            .and_then(lambda: trials.comes_back("copy-to", CONTENT))
        )
        text = "The server copies objects itself."
        if not tried.taken:
            text = f"The server copies no objects (--reuse copy): {tried.reason}."
        return Finding("copy", tried.taken, text)

    def _try_deletes(self) -> Finding:
        trials = self._trials
        names = ["deletes/a", "deletes/b"]
        for name in names:
            trials.put(name)
        client = trials.client(PLAIN._replace(bulk_delete=True))
        tried = trials.attempt(lambda: trials.obstore.delete(client, names)).and_then(
            lambda: trials.are_listed("deletes", [])
        )
        self._able = self._able._replace(bulk_delete=tried.taken)
        text = "Several objects are deleted by one request."
        if not tried.taken:
            text = f"Several objects aren't deleted by one request: {tried.reason}."
        return Finding("deletes", tried.taken, text)


def _of_condition(name: str, header: str, right: Tried, wrong: Tried) -> Finding:
    """Say what a server makes of a header, from a request whose condition holds and
    from one whose condition doesn't."""
    if not right.taken:
        text = f"Writes with {header} are refused: {right.reason}."
        return Finding(name, False, text)
    if wrong.lost:
        return Finding(name, True, f"Writes with {header} are taken, and heeded.")
    if wrong.taken:
        text = (
            f"Writes with {header} are taken, and the condition is ignored: what"
            " another publisher wrote is overwritten without a word."
        )
    else:
        text = f"A write whose {header} doesn't hold is an error: {wrong.reason}."
    return Finding(name, False, text)


def _hex_md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
