"""The touched inside of Daphne and Twisted: where a new version moves it, these fail.

Then read streaming/backpressure.py, and adapt it before you change the pins.
"""

import inspect
import re
from functools import partial
from importlib.metadata import version

import pytest
from daphne.http_protocol import WebRequest
from daphne.server import Server
from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel, Request, toChunk

from streaming.backpressure import Outlet, framed


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
            Outlet(other)
