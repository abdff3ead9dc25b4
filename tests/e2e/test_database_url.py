"""What DATABASE_URL says of TLS and names holds for every connection."""

import subprocess
import sys
from contextlib import closing

import psycopg
import pytest

from tests.ports import free_port

from .cluster import own_cluster
from .conftest import ROOT, manage

pytestmark = pytest.mark.e2e
CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost -keyout key.pem -out ca.pem"
)


@pytest.fixture
def server():
    with own_cluster() as server:
        yield server


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """A folder with a certificate that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("ca")
    command = CERTIFICATE.split()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def url_of(server, **options):
    url = server.url.replace("127.0.0.1", "localhost")
    return url + "?" + "&".join(f"{name}={value}" for name, value in options.items())


def refused(environ, *command):
    answer = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert answer.returncode != 0, answer.stdout
    return answer.stderr


def test_a_server_that_can_t_prove_who_it_is_is_refused(server, new_service, ca):
    url = url_of(server, sslmode="verify-full", sslrootcert=ca / "ca.pem")
    environ = {**new_service().env, "DATABASE_URL": url, "PORT": str(free_port())}
    assert "server does not support SSL" in refused(environ, "manage.py", "list_tasks")
    said = refused(environ, "-m", "resource_sync.start", "prepare")
    assert said.startswith("DATABASE_URL: the database can't be used: ")
    assert "server does not support SSL" in said
    assert said.count("\n") == 1


def test_each_connection_is_encrypted_and_says_whose_it_is(server, new_service, ca):
    server.encrypt(ca / "ca.pem", ca / "key.pem")
    url = url_of(
        server, sslmode="verify-full", sslrootcert=ca / "ca.pem", connect_timeout=20
    )
    manage("migrate", DATABASE_URL=url)
    service = new_service(DATABASE_URL=url).run()
    task = service.create("say", text="hello")
    assert service.events(task)[-1]["type"] == "end"
    query = """
        SELECT application_name, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    with closing(psycopg.connect(server.url)) as connection:
        found = set(connection.execute(query).fetchall())
    assert found == {("resource-sync web", True), ("resource-sync run_tasks", True)}
    service.stop()

    wrong = {**service.env, "DATABASE_URL": url.replace("localhost", "127.0.0.1")}
    assert "does not match host name" in refused(wrong, "manage.py", "list_tasks")
