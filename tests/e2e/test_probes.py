"""What orchestrators ask, while the database is there, away, or hangs."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.monitoring.documented import documented, exposed
from tests.waiting import wait_until

from .black_hole import black_hole
from .conftest import Service

pytestmark = pytest.mark.e2e


@pytest.fixture
def web_without_database(tmp_path, request):
    """A web server whose DATABASE_URL is a test's."""

    def web(url):
        service = Service(tmp_path, url)
        request.addfinalizer(service.stop)
        service.prepare()
        service.start("web")
        wait_until(lambda: alive(service) or service.has_lost_one(), "the web server")
        return service

    return web


def alive(service):
    try:
        return requests.get(f"{service.url}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False


def ready(service):
    """The answer, and how long it took."""
    began = time.monotonic()
    answer = requests.get(f"{service.url}/health/ready", timeout=10)
    return answer, time.monotonic() - began


def test_a_database_that_hangs_is_told_within_a_second_to_any_number(
    web_without_database,
):
    with black_hole() as port:
        service = web_without_database(f"postgres://u:pw@127.0.0.1:{port}/db")
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(ready, service) for _ in range(60)]
            answers = [one.result() for one in asked]
        for answer, _ in answers:
            assert answer.status_code == 503
            assert answer.json()["database"] == "unavailable"
            assert answer.json()["reason"] == "The database does not answer."
            assert answer.headers["X-Request-ID"]
            assert "pw" not in answer.text
        times = sorted(seconds for _, seconds in answers)
        assert times[len(times) // 2] < 1.5, times  # of a busy machine's, the middle
        assert alive(service)


def test_metrics_say_what_the_processes_know_while_the_database_hangs(
    web_without_database,
):
    with black_hole() as port:
        service = web_without_database(f"postgres://u:pw@127.0.0.1:{port}/db")
        answer = requests.get(f"{service.url}/metrics", timeout=30)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        found = exposed(answer.text)
        assert "resource_sync_database_up 0.0" in answer.text
        assert 'resource_sync_process_up{process="web-1"} 1.0' in answer.text
        assert found.keys() <= documented().keys()
        assert "resource_sync_http_requests_total" in found
        assert "resource_sync_tasks" not in found
        assert "pw" not in answer.text


def test_a_database_that_refuses_is_told_at_once(web_without_database):
    with black_hole() as port:
        pass  # closed again
    service = web_without_database(f"postgres://u:pw@127.0.0.1:{port}/db")
    answer, _ = ready(service)
    assert answer.status_code == 503
    assert answer.json()["database"] == "unavailable"


def test_it_is_ready_without_a_runner(service_without_runner):
    answer, _ = ready(service_without_runner)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    health = requests.get(f"{service_without_runner.url}/health", timeout=10)
    assert health.status_code == 503


@pytest.fixture
def service_without_runner(tmp_path, new_database_url):
    service = Service(tmp_path, new_database_url())
    service.prepare()
    service.start("web")
    wait_until(lambda: alive(service) or service.has_lost_one(), "the web server")
    yield service
    service.stop()
