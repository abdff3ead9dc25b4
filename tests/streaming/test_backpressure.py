"""The touched inside of Daphne and Twisted: where a new version moves it, these fail.

Then read streaming/backpressure.py, and adapt it before you change the pins.
"""

import asyncio
import inspect
import re
from functools import partial
from importlib.metadata import version

import pytest
from daphne.http_protocol import WebRequest
from daphne.server import Server
from django.core.exceptions import RequestAborted
from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel, Request, toChunk

from streaming import backpressure
from streaming.backpressure import PatientSend, ResponseWriter, framed


def test_the_pins_are_the_versions_that_were_read():
    assert version("daphne") == "4.2.3"
    assert version("django-eventstream") == "5.3.4"
    assert version("Twisted") == "26.10.0"


def test_send_is_a_partial_of_handle_reply_with_the_request_first():
    source = inspect.getsource(Server.create_application)
    assert "send=partial(self.handle_reply, protocol)" in source
    assert list(inspect.signature(Server.handle_reply).parameters)[1] == "protocol"


def test_a_request_has_what_the_outlet_uses():
    assert issubclass(WebRequest, Request)
    for name in ("registerProducer", "unregisterProducer", "finish"):
        assert callable(getattr(WebRequest, name))
    assert "self._disconnected" in inspect.getsource(Request)
    assert "self.channel = None" in inspect.getsource(Request.connectionLost)
    assert callable(HTTPChannel.write)
    assert "_requestProducer.pauseProducing()" in inspect.getsource(
        HTTPChannel.pauseProducing
    )


def test_the_transport_pauses_above_64_kib():
    assert FileDescriptor.bufferSize == 65536


def test_the_transport_holds_back_in_two_buffers_and_has_a_socket():
    assert FileDescriptor.dataBuffer == b""
    assert FileDescriptor().__dict__["_tempDataBuffer"] == []
    source = inspect.getsource(Connection.__init__)
    assert re.search(r"self\.socket\b.*= skt", source)
    assert "connected" in vars(FileDescriptor)
    assert "disconnecting" in vars(FileDescriptor)


@pytest.mark.parametrize("data", [b"x", b"data: {}\n\n", bytes(100_000)])
def test_a_chunk_is_framed_as_twisted_frames_it(data):
    assert framed(data) == b"".join(toChunk(data))


def test_another_server_is_refused_in_one_sentence():
    async def send(_message):
        """As another server's."""

    for other in (send, partial(send, object())):
        with pytest.raises(TypeError, match="served by Daphne only"):
            ResponseWriter(other)


# --- Responses that wait for their clients ------------------------------------------

PIECE = {"type": "http.response.body", "body": b"x", "more_body": True}
LAST = {"type": "http.response.body", "body": b""}


class SlowClient:
    """A request with a transport that takes ``room`` bytes more."""

    def __init__(self, room=0):
        self.room, self.sent, self.producer = room, [], None
        self.dataBuffer, self.offset, self._tempDataLen = b"", 0, 0
        self.channel = self.transport = self
        self._waitingForTransport = self._disconnected = self.is_cut = False

    def registerProducer(self, producer, _streaming):  # noqa: N802 (Twisted's name)
        self.producer = producer

    def unregisterProducer(self):  # noqa: N802
        self.producer = None

    def abortConnection(self):  # noqa: N802
        self.is_cut = True

    def patient_send(self, size=0):
        async def send(message):
            self.sent.append(message)
            self.dataBuffer += message["body"]
            if len(self.dataBuffer) > self.room and self.producer:
                self.producer.pauseProducing()

        async def reply(_request, message):
            await send(message)

        return PatientSend(partial(reply, self), size)

    def take(self, count):
        self.dataBuffer = self.dataBuffer[count:]
        if not self.dataBuffer:
            self.producer.resumeProducing()


async def respond(send, pieces):
    for _ in range(pieces):
        await send(PIECE)
    await send(LAST)


async def begun(*coroutines):
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


def test_a_response_goes_on_only_when_its_client_has_room():
    async def story():
        client = SlowClient()
        (task,) = await begun(respond(client.patient_send(), 3))
        counts = []
        for _ in range(3):
            counts.append(len(client.sent))
            client.take(1)
            await begun()
        await task
        return counts, client

    counts, client = asyncio.run(story())
    assert counts == [1, 2, 3]
    assert client.sent[-1] == LAST
    assert client.producer is None


def test_one_that_was_full_before_the_response_is_waited_for_too():
    async def story():
        client = SlowClient(room=10)
        client._waitingForTransport = True
        (task,) = await begun(respond(client.patient_send(), 3))
        count = len(client.sent)
        task.cancel()
        return count

    assert asyncio.run(story()) == 1


def test_a_client_that_takes_nothing_is_cut_off_and_one_that_takes_little_is_not(
    monkeypatch,
):
    monkeypatch.setattr(backpressure, "STALL_SECONDS", 0.05)

    async def story():
        deaf, slow = SlowClient(), SlowClient()
        slow.dataBuffer = b"x" * 1_000_000
        (told, served) = await begun(
            respond(deaf.patient_send(), 2), respond(slow.patient_send(), 2)
        )
        while not told.done():
            slow.take(1)
            await asyncio.sleep(0.001)
        assert not served.done()
        served.cancel()
        with pytest.raises(RequestAborted):
            await told
        return deaf.is_cut, slow.is_cut

    assert asyncio.run(story()) == (True, False)


def test_the_one_that_waits_longest_goes_where_too_much_is_held(monkeypatch):
    monkeypatch.setattr(backpressure, "MOST_HELD_BYTES", 10)

    async def story():
        clients = [SlowClient() for _ in range(3)]
        tasks = await begun(*(respond(client.patient_send(4), 2) for client in clients))
        cut = [client.is_cut for client in clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return cut

    assert asyncio.run(story()) == [True, False, False]
    assert PatientSend._held_bytes == 0
    assert not PatientSend._waiting
