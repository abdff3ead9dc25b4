"""One request: it ends within its time, whatever the other side does."""

import ipaddress
import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.notify import post as posting
from tasks.notify.post import MOST_ANSWER_BYTES, Unanswered, post
from tasks.notify.targets import target_of
from tests.ports import free_port
from tests.tasks.notify.receiver import answer

HERE = [ipaddress.ip_address("127.0.0.1")]
SECONDS = 1.0


def send(url, seconds=SECONDS):
    return post(target_of(url), HERE, {"Content-Type": "text/plain"}, b"hello", seconds)


def reason_of(url, seconds=SECONDS):
    with pytest.raises(Unanswered) as unanswered:
        send(url, seconds)
    return unanswered.value.reason


def drip(connection, request):
    """Answer one byte at a time, for ever, so that no single read takes long."""
    with suppress(OSError):
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)


def drip_the_body(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(connection, request)


def test_it_sends_the_body_and_gives_the_answer(receiver):
    target = receiver(answer(202, b"thanks", Retry_After="7"))
    found = send(f"{target.url}?a=b")
    assert (found.status, found.body, found.flaw) == (202, b"thanks", None)
    assert found.headers["retry-after"] == "7"
    [request] = target.received
    assert request.line == "POST /hook?a=b HTTP/1.1"
    assert request.body == b"hello"
    assert request.headers["host"] == f"127.0.0.1:{target.port}"


def test_who_says_nothing_is_left(receiver):
    target = receiver(lambda connection, request: connection.recv(1))
    assert reason_of(target.url).code == "webhook-timed-out"


def test_who_answers_by_the_byte_is_left_too(receiver):
    assert reason_of(receiver(drip).url).code == "webhook-timed-out"


def test_who_shakes_no_hands_is_left(receiver):
    target = receiver(lambda connection, request: None)
    target._read = lambda stream: stream.read()
    url = target.url.replace("http:", "https:")
    assert reason_of(url).code == "webhook-timed-out"


def test_a_body_without_end_is_read_to_a_limit(receiver):
    def endless(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(b"x" * 65_536)

    found = send(receiver(endless).url, 60)
    assert (found.status, len(found.body)) == (200, MOST_ANSWER_BYTES)
    assert found.flaw.code == "webhook-answer-too-long"


def test_a_body_that_drips_is_read_for_a_time(receiver):
    found = send(receiver(drip_the_body).url)
    assert (found.status, found.flaw.code) == (200, "webhook-timed-out")


def test_who_lies_about_the_length_is_noted(receiver):
    lie = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"
    found = send(receiver(lie).url, 60)
    assert (found.status, found.body) == (200, b"short")
    assert found.flaw.code == "webhook-answer-cut"


def test_who_promises_more_and_stays_is_noted(receiver):
    def promise(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
        connection.recv(1)

    found = send(receiver(promise).url)
    assert (found.status, found.flaw.code) == (200, "webhook-timed-out")


def test_who_hangs_up_is_named(receiver):
    assert reason_of(receiver(b"").url, 60).code == "webhook-cut"


def test_who_resets_the_connection_is_named(receiver):
    def reset(connection, request):
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    assert reason_of(receiver(reset).url, 60).code == "webhook-cut"


@pytest.mark.parametrize(
    "words",
    [b"220 smtp.example.com\r\n", b"\x00\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"],
)
def test_who_speaks_no_http_is_named(receiver, words):
    assert reason_of(receiver(words).url, 60).code == "webhook-answer-not-http"


def test_headers_without_end_are_not_kept(receiver):
    def endless(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(b"X-More: 1\r\n" * 1_000)

    assert reason_of(receiver(endless).url, 60).code == "webhook-answer-not-http"


def test_who_is_not_there_is_named():
    reason = reason_of(f"http://127.0.0.1:{free_port()}/")
    assert reason.code == "webhook-not-connected"
    assert "Connection refused" in str(reason)


# --- TLS ----------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """Makes the certificate of a server for a name, by an authority that is trusted
    here."""

    def make(name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (tmp_path / "cert.pem").write_bytes(made.public_bytes(pem))
        (tmp_path / "key.pem").write_bytes(
            key.private_bytes(
                pem,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        return context

    posting.tls.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    yield make
    posting.tls.cache_clear()


def test_the_certificate_is_that_of_the_name_and_not_of_the_address(
    receiver, certificate
):
    target = receiver(tls=certificate("hooks.example.com"))
    found = send(f"https://hooks.example.com:{target.port}/", 60)
    assert found.status == 200
    host = target.received[0].headers["host"]
    assert host == f"hooks.example.com:{target.port}"


def test_a_certificate_of_another_name_is_refused(receiver, certificate):
    target = receiver(tls=certificate("other.example.com"))
    reason = reason_of(f"https://hooks.example.com:{target.port}/", 60)
    assert reason.code == "webhook-tls"
    assert "Hostname mismatch" in str(reason)
    assert target.received == []


def test_a_certificate_of_nobody_that_is_known_is_refused(
    receiver, certificate, monkeypatch
):
    target = receiver(tls=certificate("hooks.example.com"))
    monkeypatch.delenv("SSL_CERT_FILE")
    reason = reason_of(f"https://hooks.example.com:{target.port}/", 60)
    assert reason.code == "webhook-tls"
    assert "self-signed certificate" in str(reason)
