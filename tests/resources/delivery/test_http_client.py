"""Answers are taken as HTTP has them, and what is none is said in words."""

import contextlib
import socket
import ssl
import subprocess
import threading

import pytest

from resources.delivery import http_client
from resources.delivery.http_answers import NoAnswerError
from resources.delivery.http_client import Client, Origin
from tests.ports import free_port
from tests.resources.cdn import NGINX, cdn

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(NGINX is None, reason="nginx is not there"),
]


@contextlib.contextmanager
def server(*answers):
    """Serve one connection after the other: each gets its answers, one for a request,
    and is ended then. Gives the origin, and the requests that came."""
    requests = []
    with socket.create_server(("127.0.0.1", free_port())) as listening:

        def serve():
            for of_connection in answers:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(ConnectionError):
                    for answer in of_connection:
                        received = b""
                        while not received.endswith(b"\r\n\r\n"):
                            if not (data := connection.recv(4096)):
                                return
                            received += data
                        requests.append(received)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Origin("http", "127.0.0.1", listening.getsockname()[1]), requests
        thread.join(30)


@contextlib.contextmanager
def connected(origin):
    connection = Client(origin).connect()
    try:
        yield connection
    finally:
        connection.close()


def answer(connection, target="/a"):
    head = connection.get(target)
    return head.status, b"".join(bytes(piece) for piece in connection.body())


@pytest.mark.parametrize(
    ("content", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
            200,
            b"abc0123456789",
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
            404,
            b"x",
        ),
    ],
)
def test_a_body_ends_where_http_says(content, status, body):
    with server([content]) as (origin, _), connected(origin) as connection:
        assert answer(connection) == (status, body)


def test_a_body_larger_than_the_buffer_comes_in_pieces():
    body = bytes(range(256)) * 4096
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[:70_000], body[70_000:70_001], body[70_001:])
    )
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks,
    ]
    with server(answers) as (origin, _), connected(origin) as connection:
        assert answer(connection) == (200, body)
        assert answer(connection) == (200, body)


def test_headers_are_read_by_name_whatever_their_case():
    content = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:2 \r\nCONTENT-LENGTH: 0\r\n\r\n"
    with server([content]) as (origin, requests), connected(origin) as connection:
        head = connection.get("/ios/a%20b")
    assert head.headers == {"x-a": "1, 2", "content-length": "0"}
    assert requests == [
        b"GET /ios/a%%20b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"User-Agent: resource-sync\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"
        % origin.port
    ]


def test_a_kept_connection_that_ended_meanwhile_is_opened_again():
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    answers = ([ok], [ok, closing], [ok])
    with server(*answers) as (origin, requests), connected(origin) as connection:
        assert [answer(connection) for _ in range(4)] == [(200, b"ok")] * 4
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the connection ended before an answer came"),
        (b"HTTP/1.1 200 OK\r\nConte", "the connection ended before an answer came"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP/1.1"),
        (b"x" * 200_000, "its headers have no end"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
            "the connection ended after 3 of 1,000 bytes",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
            "its Content-Length is no length: -1",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
            "the connection ended before the body did",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            "a chunk of its body has no end",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc",
            "a chunk of its body has no size",
        ),
    ],
)
def test_what_is_no_whole_answer_is_named(content, reason):
    with (
        server([content]) as (origin, _),
        connected(origin) as connection,
        pytest.raises(NoAnswerError) as caught,
    ):
        answer(connection)
    assert str(caught.value) == reason
    assert caught.value.is_passing


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(http_client, "READ_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", free_port())) as listening:
        origin = Origin("http", "127.0.0.1", listening.getsockname()[1])
        with (
            connected(origin) as connection,
            pytest.raises(NoAnswerError, match="no byte came within 0 s"),
        ):
            connection.get("/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that no authority signed, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = [folder / "certificate.pem", folder / "key.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-nodes",
         "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=test",
         "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", names[0], "-keyout", names[1]],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return names


def test_a_certificate_has_to_be_valid(game, tmp_path, certificate):
    game.build("v2", {"a.json": b"{}"})
    game.lines("sync", "v2", "--platform", "ios")
    lines = f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};"
    with cdn(tmp_path, game.store, lines, listening=" ssl") as url:
        arguments = ("verify-public", "v2", "--platform", "ios", "--wait", "0")
        refused = game.run(*arguments, RESOURCE_PUBLIC_URL=url)
        trusted = game.run(
            *arguments, RESOURCE_PUBLIC_URL=url, SSL_CERT_FILE=str(certificate[0])
        )
        plain = url.replace("https", "http")
        no_http = game.run(*arguments, RESOURCE_PUBLIC_URL=plain)
    assert refused.returncode == 6
    assert refused.stdout.splitlines()[1] == (
        "UNREADABLE current.json: the certificate is not valid: self-signed certificate"
    )
    assert (trusted.returncode, trusted.stderr) == (0, "")
    assert "STATUS current.json: expected 200, got 400" in no_http.stdout


def test_a_server_without_tls_is_named(game, tmp_path):
    with cdn(tmp_path, game.store) as url:
        origin = Origin.of(url.replace("http", "https"))
        with (
            connected(origin) as connection,
            pytest.raises(NoAnswerError, match="no TLS connection: "),
        ):
            connection.get("/")


def test_a_proxy_of_the_environment_is_used(game, tmp_path):
    game.build("v2", {"a b.json": b"{}"})
    game.lines("sync", "v2", "--platform", "ios")
    with cdn(tmp_path, game.store) as url:
        result = game.run(
            "verify-public", "v2", "--platform", "ios", "--wait", "0",
            RESOURCE_PUBLIC_URL="http://cdn.invalid", http_proxy=url,
        )  # fmt: skip
        refused = game.run(
            "verify-public", "v2", "--platform", "ios", "--wait", "0",
            RESOURCE_PUBLIC_URL="http://cdn.invalid", http_proxy=url,
            no_proxy=".invalid",
        )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert "the name cdn.invalid is not known" in refused.stdout


def test_tls_goes_through_a_tunnel_of_the_proxy(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    asked = []
    with socket.create_server(("127.0.0.1", free_port())) as listening:

        def serve():
            connection, _ = listening.accept()
            asked.append(connection.recv(4096).partition(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with context.wrap_socket(connection, server_side=True) as inside:
                inside.recv(4096)
                inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        proxy = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        origin = Origin("https", "127.0.0.1", 443)
        with connected(origin) as connection:
            assert answer(connection) == (200, b"ok")
        with (
            connected(origin) as connection,
            pytest.raises(NoAnswerError, match="Tunnel connection failed: 403"),
        ):
            connection.get("/")
        thread.join(30)
    assert [line.rpartition(b" ")[0] for line in asked] == [b"CONNECT 127.0.0.1:443"]
