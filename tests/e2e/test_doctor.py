"""``manage.py doctor`` on a real installation: what is wrong is named."""

import json
import shutil
import signal
import subprocess
import time

import pytest
import requests

from tests.waiting import wait_until

from .black_hole import black_hole
from .conftest import Service
from .test_nginx import NGINX, Nginx

pytestmark = [pytest.mark.e2e, pytest.mark.nginx]
LOCATION = "        proxy_buffering off;\n        proxy_cache off;\n        gzip off;\n"


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    """A product without anything wrong; the tests here share it."""
    product = Service(
        tmp_path_factory.mktemp("examined"),
        new_database_url(),
        TRUSTED_PROXIES="127.0.0.1",
        LC_ALL="C.UTF-8",
    )
    product.prepare()
    try:
        yield product.run()
    finally:
        product.stop()


@pytest.fixture
def nginx(product, tmp_path_factory, request):
    """Starts nginx before the product, with the shipped site and changes of it."""
    if NGINX is None:
        pytest.skip("nginx is not there")

    def start(*changes):
        found = Nginx(tmp_path_factory.mktemp("nginx"), product.port, *changes)
        request.addfinalizer(found.stop)
        wait_until(lambda: listens(found.url), "nginx")
        return found

    return start


def listens(url):
    try:
        return requests.get(f"{url}/health/live", timeout=5).status_code > 0
    except requests.exceptions.SSLError:
        return True
    except requests.ConnectionError:
        return False


def examined(service, *arguments, **environ):
    """The exit code, and of each check the states and texts."""
    env = service.env
    service.env = {**env, **environ}
    try:
        done = service.manage("doctor", "--json", *arguments, check=False)
    finally:
        service.env = env
    assert "Traceback" not in done.stderr, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told, done.stderr
    assert told[-1]["exitCode"] == done.returncode
    found = {}
    for one in told[:-1]:
        if one["state"] in {"warning", "problem"}:
            assert one["advice"], one
        found.setdefault(one["check"], []).append((one["state"], one["text"]))
    return done.returncode, found


def states(findings):
    return [state for state, _ in findings]


@pytest.mark.postgres
def test_nothing_is_wrong_with_a_whole_installation_behind_the_shipped_site(
    product, nginx
):
    code, found = examined(product, "--url", nginx().url, "--seconds", "20")
    wrong = {
        name: findings
        for name, findings in found.items()
        if {"warning", "problem"} & set(states(findings))
        # Of the machine that the tests run on.
        if name not in {"disk", "units"}
    }
    assert wrong == {}
    assert states(found["stream"]) == ["ok", "ok"], found["stream"]
    assert "one by one" in found["stream"][1][1]
    for name in ("database", "migrations", "runner", "types", "web", "store", "files"):
        assert states(found[name]) == ["ok"], found[name]
    assert code in {0, 1}


def test_people_are_told_in_sentences_and_what_is_left_out_is_said(product):
    done = product.manage("doctor", "--only", "web,redis")
    assert done.stdout.splitlines() == [
        "[–] redis: not looked at: REDIS_URL is not set.",
        f"[✓] web: The web process answers at {product.url}.",
        "0 problems, 0 warnings; 1 well, 1 not looked at.",
    ]
    left_out = product.manage("doctor", "--only", "redis", check=False)
    assert left_out.returncode == 2
    assert "Nothing was looked at" in left_out.stdout


def test_a_proxy_that_holds_the_stream_back_is_named(product, nginx):
    # By HTTP/1.1 nginx hands on what comes also where it buffers.
    buffering = (
        "        proxy_ignore_headers X-Accel-Buffering;\n"
        "        proxy_http_version 1.0;\n        gzip off;\n"
    )
    url = nginx((LOCATION, buffering)).url
    code, found = examined(product, "--only", "stream", "--url", url)
    assert code == 2
    assert found["stream"] == [
        ("problem", "Nothing of a stream came within 10 s: the proxy holds it back.")
    ]


def test_a_proxy_that_compresses_the_stream_is_named(product, nginx):
    compressing = (
        "        proxy_buffering off;\n        gzip on;\n"
        "        gzip_types text/event-stream;\n        gzip_min_length 1;\n"
    )
    url = nginx((LOCATION, compressing)).url
    code, found = examined(product, "--only", "stream", "--url", url, "--seconds", "5")
    assert code == 2
    assert "compresses the stream (gzip)" in found["stream"][0][1]


def test_a_proxy_that_cuts_the_stream_off_is_named(product, nginx):
    url = nginx(
        ("        proxy_read_timeout 60s;", "        proxy_read_timeout 2s;")
    ).url
    code, found = examined(product, "--only", "stream", "--url", url, "--seconds", "12")
    assert code == 2
    assert states(found["stream"]) == ["ok", "problem"]
    assert "cut the stream" in found["stream"][1][1]


def test_a_proxy_without_the_product_behind_it_is_named(product, nginx):
    away = (f"server 127.0.0.1:{product.port};", "server 127.0.0.1:9;")
    url = nginx(away).url
    code, found = examined(product, "--only", "stream", "--url", url, "--seconds", "5")
    assert (code, states(found["stream"])) == (2, ["problem"])
    assert "does not reach the web process" in found["stream"][0][1]


def test_certificate_and_http_2_are_looked_at(product, nginx, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not there")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = f"server_name localhost; ssl_certificate {certificate};"
    tls += f" ssl_certificate_key {key};"
    for word, state in ((" ssl http2;", "ok"), (" ssl;", "warning")):
        site = nginx((";\n    server_name localhost;", f"{word}\n    {tls}"))
        url = f"https://localhost:{site.port}"
        trusted = {"SSL_CERT_FILE": str(certificate)}
        code, found = examined(product, "--only", "tls", "--url", url, **trusted)
        assert code == 1
        (ends, _), (h2, said) = found["tls"]
        assert ends == "warning"
        assert (h2, "HTTP/" in said) == (state, True)
    code, found = examined(product, "--only", "tls", "--url", url)
    assert (code, states(found["tls"])) == (2, ["problem"])
    assert "certificate" in found["tls"][0][1]


def test_an_address_that_is_not_ours_is_sent_nothing(product):
    with black_hole() as port:
        url = f"http://elsewhere.example.com:{port}"
        done = product.manage("doctor", "--url", url, check=False)
    assert done.returncode
    assert "not in ALLOWED_HOSTS" in done.stderr
    assert product.api_key not in done.stderr + done.stdout


def test_a_database_that_hangs_is_named_and_holds_up_nothing(tmp_path):
    with black_hole() as port:
        service = Service(tmp_path, f"postgres://u:s3cret@127.0.0.1:{port}/db")
        began = time.monotonic()
        code, found = examined(service, "--only", "database,migrations,runner,files")
        assert time.monotonic() - began < 60
    assert code == 2
    assert states(found["database"]) == ["problem"]
    assert states(found["runner"]) == ["skipped"]
    assert "s3cret" not in json.dumps(found)


def test_redis_that_is_away_or_hangs_is_named(product):
    with black_hole() as port:
        url = f"redis://:s3cret@127.0.0.1:{port}/0"
        code, found = examined(product, "--only", "redis,web", REDIS_URL=url)
    assert (code, states(found["redis"])) == (2, ["problem"])
    code, found = examined(product, "--only", "redis,web", REDIS_URL=url)
    assert (code, states(found["redis"])) == (2, ["problem"])
    assert "s3cret" not in json.dumps(found)


def test_a_runner_that_a_signal_stopped_is_named(tmp_path, new_database_url):
    service = Service(tmp_path, new_database_url())
    service.prepare()
    try:
        runner = service.run().processes["runner"]
        runner.send_signal(signal.SIGSTOP)
        assert "is stopped by a signal" in told_of_runners(service)
        wait_until(lambda: not service.is_healthy(), "others to give it up")
        assert "is stopped by a signal" in told_of_runners(service)
        runner.send_signal(signal.SIGCONT)
    finally:
        service.stop()


def told_of_runners(service):
    found = examined(service, "--only", "runner")[1]["runner"]
    return "\n".join(text for _, text in found)


def test_types_that_the_runner_was_started_without_are_named(product):
    more = product.data_dir / "more.toml"
    more.write_text('[build-atlas]\n[[build-atlas.steps]]\ncommand = ["true"]\n')
    types = f"{product.env['TASK_TYPES_FILE']},{more}"
    code, found = examined(product, "--only", "types", TASK_TYPES_FILE=types)
    assert (code, states(found["types"])) == (2, ["problem"])
    assert "No runner takes build-atlas" in found["types"][0][1]
