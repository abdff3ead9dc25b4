"""Streams that a push proxy at the edge holds in our place (GRIP_URL).

Such a proxy (Pushpin is one) keeps the clients' connections. We answer its request
at once, with the log so far, and say in headers how to go on: which channel to hold
the client on, from which position, and where to fetch what it turns out to have
missed. The publisher (streaming.publisher) tells the channel what is new, once for
all clients. The protocol: https://pushpin.org/docs/protocols/grip/

What is published is a hint, here too. Each published item names the position that it
follows; to a client that is elsewhere it is not given, and the proxy fetches the rest
from here.
"""

import asyncio
import time
import uuid
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from gripcontrol import parse_grip_uri, validate_sig

from streaming.bridge import channel_of
from streaming.encode import KEEP_ALIVE
from streaming.hub import Hub, Viewer
from streaming.states import Stamp

if TYPE_CHECKING:
    from streaming.admissions import Admitted

# Pushpin takes no more than 100,000 bytes in the answer to a client's own request,
# but any number in those that it fetches to go on.
FIRST_BYTES = 64 * 1024
PAGE_BYTES = 256 * 1024
PATIENCE_SECONDS = 5.0  # for the database to be as far as the proxy says it is
KEEP_ALIVE_SECONDS = 15
# After so much silence the proxy looks here: soon at first, because what is published
# between our answer and the proxy's subscription is lost, then less and less often.
SOON_SECONDS = 2
SILENCE_GROWS = 4  # times as long after each answer that brought nothing
SAFETY_NET_SECONDS = 60
LINK_DAYS = 2  # a proxy can use a link today and tomorrow
# A link to whatever follows the position in Grip-Last; after it, how long the silence
# may be after an answer that brings nothing.
NEWEST = "next-"

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Position(NamedTuple):
    """How far a client is. After ``end`` it has one seq more than there are lines,
    which is the id of ``end``. As a text it is the id of a published item."""

    seq: int
    stamp: Stamp

    def __str__(self) -> str:
        return "-".join(str(int(part)) for part in (self.seq, *self.stamp))

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raises ValueError where the text is no position's."""
        seq, rank, changes, cancel = map(int, text.split("-"))
        return cls(seq, Stamp(rank, changes, cancel))


# --- Who asks -----------------------------------------------------------------------


def is_from_proxy(request: HttpRequest) -> bool:
    """Whether the proxy of GRIP_URL signed this request."""
    signature = request.headers.get("Grip-Sig")
    if not (settings.GRIP_URL and signature):
        return False
    return bool(validate_sig(signature, _key(settings.GRIP_URL)))


@cache
def _key(grip_url: str) -> Any:
    return parse_grip_uri(grip_url)["key"]


def link(task_id: uuid.UUID, place: str) -> str:
    """Where the proxy goes on for a client that it has already: in its request
    there is nothing of the client's, so the link itself is the permission.

    All is in the path: Pushpin gives one answer to all who fetch the same path at
    the same time, from the same position in Grip-Last, whatever their queries say.
    """
    signature = _signature(task_id, place, _today())
    return f"/api/tasks/{task_id}/stream/{place}.{signature}"


def go_on(
    request: HttpRequest, task_id: uuid.UUID, page: str
) -> tuple[Position, int] | None:
    """Where to go on, as the last part of a link says it, and after how many seconds
    of silence to look again where there is nothing new; None where it is no link of
    ours, or did not come through the proxy."""
    place, _, signature = page.rpartition(".")
    signatures = [
        _signature(task_id, place, _today() - age) for age in range(LINK_DAYS)
    ]
    is_ours = any(constant_time_compare(signature, ours) for ours in signatures)
    if not (is_ours and is_from_proxy(request)):
        return None
    silence = SOON_SECONDS
    try:
        if place.startswith(NEWEST):
            silence = int(place.removeprefix(NEWEST))
            place = request.headers.get("Grip-Last", "").rpartition("last-id=")[2]
        return Position.parse(place), silence
    except ValueError:
        return None


def _signature(task_id: uuid.UUID, place: str, day: int) -> str:
    signed = f"{task_id} {place} {day}"
    return salted_hmac("streaming.grip", signed, algorithm="sha256").hexdigest()


def _today() -> int:
    return int(time.time() // 86_400)


# --- What it gets -------------------------------------------------------------------


class Outcome(Enum):
    HOLD = "the client has everything so far"
    MORE = "there is more than fits"
    OVER = "nothing follows"


async def answer(
    hub: Hub, admitted: "Admitted", response: HttpResponse, send: Send
) -> None:
    """One whole answer: what the client lacks, and how the proxy goes on."""
    portion = Portion(hub, admitted)
    try:
        hub.join(portion)
        await asyncio.wait([portion.done], timeout=PATIENCE_SECONDS)
        portion.hurry()
    finally:
        hub.leave(portion)
    headers = [*response.items(), *portion.instructions()]
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in headers
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"".join(portion.parts)})


class Portion(Viewer):
    """What a client lacks, as much as one answer holds.

    While ``done`` is open the hub is behind the client, or can't read; an answer that
    has to be given all the same tells the proxy to ask once more.
    """

    def __init__(self, hub: Hub, admitted: "Admitted") -> None:
        super().__init__(admitted.task_id)
        self._hub = hub
        self._base_url, self._silence = admitted.base_url, admitted.silence
        self._at = Position(admitted.cursor, admitted.stamp)
        self._room = FIRST_BYTES if admitted.first else PAGE_BYTES
        self.parts = [admitted.first] if admitted.first else []
        self._size = len(admitted.first)
        self._is_late = False
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Outcome] = loop.create_future()

    def advance(self) -> None:
        while not self.done.done():
            state = self.watched.state
            if state is None:
                return
            seq, stamp = self._at
            if state.is_gone or (state.end is not None and seq > state.last_seq):
                self.done.set_result(Outcome.OVER)
            elif seq < state.last_seq:
                page = self._hub.page_for(self, seq, state.last_seq)
                if page is None:
                    return
                room = max(1, self._room - self._size)
                self._add(*page.piece(seq, room), stamp)
            elif seq > state.last_seq:
                return  # the publisher read it before this hub did
            elif stamp < state.stamp:
                update = state.update.for_base(self._base_url)
                self._add(update, seq, state.stamp)
            elif state.end is not None:
                self._add(state.end, seq + 1, stamp)
            elif stamp > state.stamp and not self._is_late:
                return  # as above
            else:
                self._at = Position(seq, state.stamp)
                self.done.set_result(Outcome.HOLD)

    def hurry(self) -> None:
        """Make do with what there is."""
        self._is_late = True
        self.advance()

    def _add(self, data: bytes, seq: int, stamp: Stamp) -> None:
        if self.parts and self._size + len(data) > self._room:
            self.done.set_result(Outcome.MORE)
            return
        self.parts.append(data)
        self._size += len(data)
        self._at = Position(seq, stamp)

    def instructions(self) -> Iterator[tuple[str, str]]:
        """The headers that tell the proxy how to go on; without any it closes."""
        outcome = self.done.result() if self.done.done() else Outcome.MORE
        if outcome is Outcome.MORE:
            yield "Grip-Link", f"<{link(self.task_id, str(self._at))}>; rel=next"
        elif outcome is Outcome.HOLD:
            channel = channel_of(self.task_id)
            silence = SOON_SECONDS if self.parts else self._silence
            longer = min(silence * SILENCE_GROWS, SAFETY_NET_SECONDS)
            next_link = link(self.task_id, f"{NEWEST}{longer}")
            keep_alive = b64encode(KEEP_ALIVE).decode()
            yield "Grip-Hold", "stream"
            yield "Grip-Channel", f"{channel}; prev-id={self._at}; filter=var-subst"
            yield "Grip-Set-Meta", f'base="{self._base_url}"'
            yield (
                "Grip-Keep-Alive",
                f"{keep_alive}; format=base64; timeout={KEEP_ALIVE_SECONDS}",
            )
            yield "Grip-Link", f"<{next_link}>; rel=next; timeout={silence}"
