"""``Prefer: wait=SECONDS`` on the real server: who is held, and who holds up whom."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

CROWD = 60  # as many threads would be seen; more than were ever held before


def post(service, path, body=None, wait=60):
    headers = {"Prefer": f"wait={wait}"}
    return service.request("POST", path, json=body or {}, headers=headers)


def ask_to_be_held(service, path):
    """Return the connection, on which no answer has come yet."""
    connection = socket.create_connection(("127.0.0.1", service.port))
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nPrefer: wait=60\r\n"
        f"X-API-Key: {service.api_key}\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}".encode()
    )
    return connection


def pending(service):
    return service.request("GET", "/api/tasks?status=pending").json()["count"]


def test_a_held_answer_is_the_finished_task(service):
    answer = post(service, "/api/tasks/say", {"text": "held"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.json()["status"] == "completed"
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_crowd_is_held_without_a_thread_each_until_the_last_task_ends(new_service):
    service = new_service()
    service.prepare()
    service.start("web")
    wait_until(lambda: answers(service), "the web server")
    threads = psutil.Process(service.processes["web"].pid)
    with ThreadPoolExecutor(CROWD) as pool:
        held = [pool.submit(post, service, "/api/tasks/say") for _ in range(CROWD)]
        wait_until(lambda: pending(service) == CROWD, "all to be accepted")
        assert not any(one.done() for one in held)
        assert threads.num_threads() < CROWD
        service.start("runner", "--concurrency", "8")
        for one in held:
            answer = one.result(60)
            assert answer.status_code == 200, answer.text
            assert answer.headers["Preference-Applied"] == "wait=60"


def answers(service):
    try:
        return requests.get(f"{service.url}/health/live", timeout=5).ok
    except requests.RequestException:
        return False


def test_clients_that_hung_up_take_the_place_of_nobody(new_service):
    service = new_service()
    service.prepare()
    service.start("web")
    wait_until(lambda: answers(service), "the web server")
    held = [ask_to_be_held(service, "/api/tasks/say") for _ in range(40)]
    wait_until(lambda: pending(service) == 40, "all to be accepted")
    for connection in held:
        connection.close()
    answer = post(service, "/api/tasks/say", wait=1)
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_a_server_that_stops_answers_whoever_waits(new_service):
    service = new_service()
    service.prepare()
    service.start("web")
    wait_until(lambda: answers(service), "the web server")
    with ThreadPoolExecutor() as pool:
        held = pool.submit(post, service, "/api/tasks/say", wait=600)
        wait_until(lambda: pending(service) == 1, "it to be accepted")
        service.stop_one("web")
        answer = held.result(30)
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    assert json.loads(answer.text)["status"] == "pending"
