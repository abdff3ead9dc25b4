"""Fetch what lies at public addresses, as a player would."""

from __future__ import annotations

import time
from random import uniform
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from resources.delivery.asking_ahead import Asker, Wanted
from resources.delivery.bodies import Digest, Layer, Sink
from resources.delivery.http_answers import NoAnswerError
from resources.delivery.http_client import Client, Origin
from resources.workers.pool import check_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from resources.delivery.http_client import Connection

S = TypeVar("S", bound=Sink)

TRIES = 4  # of an address
FIRST_PAUSE = 0.2  # seconds before the second try; each is three times the one before
MAX_RETRIES = 200  # of a platform: one that fails throughout is not waited for
GIVE_UP = 32  # addresses in a row that gave no answer; then none is asked any more
REDIRECTS = (301, 302, 303, 307, 308)


class Answer(NamedTuple, Generic[S]):
    """What came from an address.

    ``path`` is what was asked for, beneath the public address; ``moved_to`` is where a
    redirect within the host led to, if one did.
    """

    path: str
    status: int
    headers: Mapping[str, str]
    body: Layer[S]
    moved_to: str | None = None


class Fetcher:
    """Fetches what lies beneath a public address.

    Threads may share it. Forked processes, too, if it was closed before: a connection
    belongs to one of them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = Client(Origin.of(url))
        self._folder = urlsplit(url).path.rstrip("/")
        self._asker = Asker(self._client)
        self._idle: list[Connection] = []
        # Threads count these together; about right is enough.
        self._retries_left = MAX_RETRIES
        self._failed = 0  # in a row

    def fetch(self, path: str, make: Callable[[], S], at_most: int) -> Answer[S]:
        """Return what lies at a path, which is not percent-encoded yet.

        Parameters: ``make`` gives the sink of each layer of the body (see ``Layer``),
        which is read to its end, but no further than ``at_most`` bytes and what one
        piece has more. Raises NoAnswerError where no whole answer came, after several
        tries.
        """
        if self._failed >= GIVE_UP:
            raise NoAnswerError("not asked for, since many before gave no answer")
        target = self._target(path)
        pause = FIRST_PAUSE
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._fetch(path, target, make, at_most)
            except NoAnswerError as error:
                if not (error.is_passing and self._may_retry(tries_left)):
                    self._failed += 1
                    raise
            else:
                if not (_is_passing(answer.status) and self._may_retry(tries_left)):
                    self._failed = 0
                    return answer
            time.sleep(uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause *= 3
        raise NoAnswerError("no try was left")

    def fetch_many(
        self, wanted: Sequence[tuple[str, int]]
    ) -> Iterator[tuple[int, Answer[Digest]]]:
        """Yield answers as they come, each with its place in ``wanted``, which has
        paths and how many bytes are read at most.

        Left out is what ``fetch`` has to be asked for: where no whole answer came, a
        redirect, or what another try may mend. For one thread.
        """
        if self._failed >= GIVE_UP:
            return
        asked = [Wanted(self._target(path), at_most) for path, at_most in wanted]
        for place, head, body in self._asker.answers(asked):
            is_passing = _is_passing(head.status) and self._retries_left > 0
            if head.status not in REDIRECTS and not is_passing:
                path = wanted[place][0]
                yield place, Answer(path, head.status, head.headers, body)

    def close(self) -> None:
        """End all connections that wait for a request; the next ones are new, and may
        lead to other servers of a CDN."""
        self._asker.close()
        while self._idle:
            self._idle.pop().close()

    def _target(self, path: str) -> str:
        return f"{self._folder}/{quote(path)}"

    def _fetch(
        self, path: str, target: str, make: Callable[[], S], at_most: int
    ) -> Answer[S]:
        answer = self._ask(path, target, make, at_most)
        if answer.status not in REDIRECTS:
            return answer
        moved_to = urljoin(f"{self.url}/{quote(path)}", answer.headers.get("location"))
        try:
            is_within = Origin.of(moved_to) == self._client.origin
        except ValueError:  # no port, or no address at all
            is_within = False
        parts = urlsplit(moved_to) if is_within else urlsplit("")
        if not (is_within and moved_to.isascii() and moved_to.isprintable()):
            return answer._replace(moved_to=moved_to)
        query = f"?{parts.query}" if parts.query else ""
        answer = self._ask(path, f"{parts.path or '/'}{query}", make, at_most)
        return answer._replace(moved_to=moved_to)

    def _ask(
        self, path: str, target: str, make: Callable[[], S], at_most: int
    ) -> Answer[S]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._client.connect()
        try:
            head = connection.get(target)
            body = Layer(make, at_most)
            for piece in connection.body():
                check_alive()
                body.add(piece)
                if body.sink.size > at_most:
                    connection.close()
                    break
            body.close()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return Answer(path, head.status, head.headers, body)

    def _may_retry(self, tries_left: int) -> bool:
        self._retries_left -= 1
        return tries_left > 0 and self._retries_left > 0


def _is_passing(status: int) -> bool:
    """Return whether another try may have another status."""
    return status == 429 or status >= 500
