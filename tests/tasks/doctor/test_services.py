"""Database, keys, stores and the provider, as the doctor finds them."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from resource_sync.single_sign_on import Provider
from tasks.doctor import database, services
from tasks.doctor.findings import State
from tests.factories import ApiKeyFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_the_database_is_named_with_its_version():
    (finding,) = database.database()
    assert finding.state is State.OK
    assert finding.text.startswith(f"{connection.display_name} ")


def test_migrations_that_are_missing_or_newer_are_named():
    rows = MigrationRecorder.Migration.objects
    assert [finding.state for finding in database.applied_migrations()] == [State.OK]
    newest = rows.filter(app="tasks").order_by("-name").first()
    newest.delete()
    rows.create(app="tasks", name="9999_of_tomorrow")
    missing, newer = database.applied_migrations()
    assert (missing.state, newer.state) == (State.PROBLEM, State.WARNING)
    assert f"tasks.{newest.name}" in missing.text
    assert "resource_sync.start prepare" in missing.advice
    assert "tasks.9999_of_tomorrow" in newer.text


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [
        (1, State.OK, "ours"),
        (-20, State.WARNING, "20.0 s behind ours"),
        (20, State.WARNING, "20.0 s ahead of ours"),
        (900, State.PROBLEM, "900.0 s ahead of ours"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(seconds, state, says):
    now = 1_800_000_000.0
    theirs = datetime.fromtimestamp(now + seconds, UTC)
    finding = database.clock_finding("the store", theirs, now)
    assert finding.state is state
    assert says in finding.text


def test_keys_that_end_soon_or_ended_lately_are_named():
    now = timezone.now()
    ApiKeyFactory(name="fine", expires_at=now + timedelta(days=60))
    (fine,) = services.keys()
    assert fine.state is State.OK
    soon = ApiKeyFactory(name="soon", expires_at=now + timedelta(days=3))
    ended = ApiKeyFactory(
        name="ended", expires_at=now - timedelta(days=1), last_used_at=now
    )
    ApiKeyFactory(name="unused", expires_at=now - timedelta(days=1))
    revoked = {"revoked_at": now, "expires_at": now + timedelta(days=1)}
    ApiKeyFactory(name="revoked", **revoked)
    first, second = services.keys()
    assert (first.state, second.state) == (State.WARNING, State.WARNING)
    assert str(soon) in first.text
    assert str(ended) in second.text
    assert soon.secret not in first.text


def test_a_store_that_fits_is_fine_and_one_that_cannot_be_written_is_not(
    tmp_path, settings, monkeypatch
):
    settings.DATA_DIR = tmp_path
    monkeypatch.setenv("RESOURCE_STORE", str(tmp_path / "store"))
    (fine,) = services.stores()
    assert (fine.state, fine.text) == (State.OK, f"{tmp_path / 'store'} fits.")
    monkeypatch.setenv("RESOURCE_STORE", "/proc/store")
    (broken,) = services.stores()
    assert broken.state is State.PROBLEM
    assert "/proc" in broken.text


@pytest.fixture
def server():
    """A server on this machine whose answer to anything is a test's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.server.says.encode()
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self):
            self.do_GET()

        def date_time_string(self, timestamp=None):
            ahead = datetime.now(UTC).timestamp() + self.server.ahead
            return super().date_time_string(ahead)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.says, server.status, server.ahead = "", 200, 0
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_clock_of_a_bucket_s_server_is_looked_at(server, monkeypatch):
    assert [finding.state for finding in services.store_clock()] == [State.SKIPPED]
    monkeypatch.setenv("RESOURCE_STORE", "s3://games/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.status = 403
    assert [finding.state for finding in services.store_clock()] == [State.OK]
    server.ahead = 1000
    (finding,) = services.store_clock()
    assert finding.state is State.PROBLEM
    assert "ahead of ours" in finding.text


def test_the_openid_provider_has_to_be_the_one_that_is_set(server, settings):
    assert [finding.state for finding in services.provider()] == [State.SKIPPED]
    settings.OIDC = Provider(server.url, "id", "s3cret", "SSO", "openid", "groups", {})
    endpoints = dict.fromkeys(
        ("authorization_endpoint", "token_endpoint", "jwks_uri"), server.url
    )
    for says, status, state, text in (
        ({"issuer": server.url, **endpoints}, 200, State.OK, "answers"),
        ({"issuer": "https://x", **endpoints}, 200, State.PROBLEM, "https://x"),
        ({"issuer": server.url}, 200, State.PROBLEM, "token_endpoint"),
        ([], 200, State.PROBLEM, "does not answer"),
        ({}, 503, State.PROBLEM, "503"),
    ):
        server.says, server.status = json.dumps(says), status
        (finding,) = services.provider()
        assert finding.state is state, says
        assert text in finding.text
        assert "s3cret" not in finding.text


def test_redis_that_is_not_set_is_not_looked_at(settings):
    settings.REDIS_URL = ""
    assert [finding.state for finding in services.redis()] == [State.SKIPPED]


def test_the_clock_of_the_database_is_looked_at_where_it_has_one():
    expected = State.OK if connection.vendor == "postgresql" else State.SKIPPED
    assert [finding.state for finding in database.clock()] == [expected]
