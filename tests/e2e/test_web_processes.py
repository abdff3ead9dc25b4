"""Several web processes on one port, as one command starts them: they are one service
to whoever talks to it. Each request here goes to a process that the test chose."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest
import redis
import requests
from dotenv import dotenv_values

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT
from .listeners import listening
from .product import Started, copy_of_the_product, environment_of_a_user
from .watcher import Watcher

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not psutil.LINUX, reason="only Linux shares a port evenly"),
    pytest.mark.postgres,
]
PROCESSES = 3
USUAL_FILE_LIMIT = 512
# Talks until somebody opens the gate: a file.
UNTIL_TOLD = """
[until-told]
[[until-told.steps]]
command = ["sh", "-c", "i=0; while [ ! -e '{gate}' ]; do i=$((i+1)); \
echo line $i; sleep 0.02; done"]
"""


def connections_of(process):
    try:
        return process.net_connections("tcp")
    except psutil.NoSuchProcess:  # killed meanwhile
        return []


def listens(process):
    return any(x.status == psutil.CONN_LISTEN for x in connections_of(process))


def ports_of_clients(process):
    return {x.raddr.port for x in connections_of(process) if x.raddr}


class Product(Started):
    def __init__(self, folder, environ):
        self.gate = folder / "gate"
        with (folder / "task_types.toml").open("a") as types:
            types.write((ROOT / "tests/e2e/task_types.toml").read_text())
            types.write(UNTIL_TOLD.replace("{gate}", str(self.gate)))
        environ = {"WEB_PROCESSES": str(PROCESSES), **environ}
        super().__init__(folder, free_port(), environ)

    def wait_until_whole(self):
        wait_until(self.is_healthy, "the service to be healthy")
        wait_until(lambda: len(self.listening()) == PROCESSES, "all web processes")
        secrets = dotenv_values(self.folder / ".env")
        self.key = {"X-API-Key": secrets["API_KEY"]}

    def listening(self):
        """The web processes that take connections, by process id."""
        return {
            child.pid: child
            for child in self.children("resource_sync.web")
            if listens(child)
        }

    def owner_of(self, port):
        """The id of the process at the other end of the connection from this port."""

        def owner():
            for child in self.children("resource_sync.web"):
                if port in ports_of_clients(child):
                    return child.pid
            return None

        return wait_until(owner, "somebody to accept")

    @contextmanager
    def connection_to(self, pid):
        """A fresh connection to this web process and no other."""
        with ExitStack() as others:
            for _ in range(200):
                fresh = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=PATIENCE_SECONDS
                )
                fresh.connect()
                if self.owner_of(fresh.sock.getsockname()[1]) == pid:
                    break
                others.callback(fresh.close)
            else:
                pytest.fail(f"none of 200 connections went to process {pid}")
        try:
            yield fresh
        finally:
            fresh.close()

    def ask(self, pid, method, path, body=None, together=None, **headers):
        """(status, headers, body) of what this web process answers. Those who ask
        ``together`` wait for each other once they are connected."""
        with self.connection_to(pid) as connection:
            if together:
                together.wait(PATIENCE_SECONDS)
            kind = {"Content-Type": "application/json"} if body is not None else {}
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, data, {**kind, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def ask_all_at_once(self, method, path, body=None, **headers):
        """The same request to each web process, four times, at once."""
        pids = 4 * list(self.listening())
        together = threading.Barrier(len(pids))
        with ThreadPoolExecutor(len(pids)) as pool:
            asked = [
                pool.submit(self.ask, pid, method, path, body, together, **headers)
                for pid in pids
            ]
            return [one.result() for one in asked]

    def create(self, task_type, **params):
        url = f"{self.url}/api/tasks/{task_type}"
        answer = requests.post(url, headers=self.key, json=params, timeout=30)
        assert answer.status_code == 202, answer.text
        return answer.json()["taskId"]


def watched_to_the_end(watchers):
    for watcher in watchers:
        watcher.join(PATIENCE_SECONDS)
        assert watcher.refused == []
        assert watcher.end is not None, "a watcher saw no end"
    return [watcher.seqs for watcher in watchers]


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    clone = copy_of_the_product(tmp_path_factory.mktemp("several") / "product")
    environ = {**environment_of_a_user(), "DATABASE_URL": new_database_url()}
    product = Product(clone, environ)
    product.wait_until_whole()
    yield product
    if product.process.poll() is None:
        product.stop()


def test_connections_are_spread_evenly_over_the_web_processes(product):
    address = ("127.0.0.1", product.port)
    with ExitStack() as open_ones:
        sockets = [
            open_ones.enter_context(socket.create_connection(address))
            for _ in range(300)
        ]
        ours = {one.getsockname()[1] for one in sockets}

        def counts():
            found = [
                len(ours & ports_of_clients(process))
                for process in product.listening().values()
            ]
            return found if sum(found) == len(ours) else None

        found = wait_until(counts, "all connections to be accepted")
    assert len(found) == PROCESSES
    # 100 each, and a deviation of 8 by chance.
    assert min(found) > 55, found


def test_streams_of_one_task_on_all_processes_get_every_line_once(product):
    product.gate.unlink(missing_ok=True)
    task_id = product.create("until-told")
    watchers = [Watcher(product, task_id) for _ in range(24)]
    wait_until(lambda: all(len(x.seqs) > 20 for x in watchers), "lines at all of them")
    owners = {product.owner_of(watcher.ports[0]) for watcher in watchers}
    product.gate.touch()
    seqs = watched_to_the_end(watchers)
    last_seq = watchers[0].end["logCount"]
    assert all(one == list(range(1, last_seq + 1)) for one in seqs)
    assert len({json.dumps(watcher.end) for watcher in watchers}) == 1
    assert owners == set(product.listening())


def test_whichever_process_one_listens_to_every_change_is_told(product):
    url, key = f"http://127.0.0.1:{product.port}", product.key["X-API-Key"]
    with listening(product, 24, url=url, key=key) as listeners:
        task_id = product.create("say")
        for one in listeners:
            wait_until(lambda one=one: "completed" in one.statuses(task_id), "the end")
    # By chance all on one of them: once in billions of runs.
    assert all(one.count(type="connected") == 1 for one in listeners)


def test_a_killed_process_costs_only_its_own_streams_a_reconnect(product):
    product.gate.unlink(missing_ok=True)
    task_id = product.create("until-told")
    watchers = [Watcher(product, task_id) for _ in range(18)]
    wait_until(lambda: all(len(x.seqs) > 20 for x in watchers), "lines at all of them")
    owners = {one: product.owner_of(one.ports[0]) for one in watchers}
    killed = owners[watchers[0]]
    hit = [watcher for watcher in watchers if owners[watcher] == killed]
    others = [watcher for watcher in watchers if owners[watcher] != killed]
    assert others

    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: all(len(x.ports) > 1 for x in hit), "the clients to return")
    wait_until(lambda: len(product.listening()) == PROCESSES, "the process to return")
    product.gate.touch()
    seqs = watched_to_the_end(watchers)
    last_seq = watchers[0].end["logCount"]
    assert all(one == list(range(1, last_seq + 1)) for one in seqs)
    assert [len(watcher.ports) for watcher in others] == [1] * len(others)
    assert killed not in product.listening()


def test_a_sign_in_link_works_once_over_all_and_the_session_everywhere(product):
    link = re.search(r"http://\S+/sign-in/\S+", product.output.read_text())[0]
    answers = product.ask_all_at_once("GET", urlsplit(link).path)
    statuses = Counter(status for status, _, _ in answers)
    assert statuses == {302: 1, 403: len(answers) - 1}

    headers = next(headers for status, headers, _ in answers if status == 302)
    cookies = "; ".join(
        cookie.partition(";")[0] for cookie in headers.get_all("Set-Cookie")
    )
    for pid in product.listening():
        status, _, page = product.ask(pid, "GET", "/", Cookie=cookies)
        assert status == 200
        form_token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
        status, _, _ = product.ask(pid, "GET", "/api/tasks", Cookie=cookies)
        assert status == 200
        assert form_token
        for other in product.listening():
            status, _, text = product.ask(
                other,
                "POST",
                "/api/tasks/say",
                {},
                Cookie=cookies,
                **{"X-CSRFToken": form_token[1]},
            )
            assert status == 202, text


def test_a_key_for_retries_makes_one_task_whichever_process_hears_it(product):
    answers = product.ask_all_at_once(
        "POST", "/api/tasks/say", {}, **product.key, **{"Idempotency-Key": "once"}
    )
    assert {status for status, _, _ in answers} <= {200, 202}
    assert len({json.loads(text)["taskId"] for _, _, text in answers}) == 1


def test_every_process_can_hold_an_answer_until_the_task_has_ended(product):
    answers = product.ask_all_at_once(
        "POST", "/api/tasks/say", {}, **product.key, Prefer="wait=60"
    )
    assert {json.loads(text)["status"] for _, _, text in answers} == {"completed"}


def test_a_stream_s_token_opens_it_on_every_process(product):
    first, *others = product.listening()
    browser = {"Sec-Fetch-Site": "cross-site"}
    status, _, text = product.ask(
        first, "POST", "/api/tasks/say", {}, **product.key, **browser
    )
    assert status == 202
    url = urlsplit(json.loads(text)["streamUrl"])
    assert url.query.startswith("token=")
    for pid in others:
        status, _, stream = product.ask(pid, "GET", f"{url.path}?{url.query}")
        assert status == 200
        assert '"type":"end"' in stream.replace(" ", "")


def test_every_process_gives_the_same_metrics(product):
    def texts():
        answers = product.ask_all_at_once("GET", "/metrics")
        # The disk is other programs' too: what is free on it changes at any time. What
        # processes count of their own does so with each answer.
        changing = r"(?m)^(\S+_bytes\b|\S+process=).*$"
        return {re.sub(changing, "", text) for _, _, text in answers}

    wait_until(lambda: len(texts()) == 1, "all processes to give the same numbers")


def test_every_process_tells_what_all_of_them_have_counted(product):
    everybody = {"runner-1", *(f"web-{n + 1}" for n in range(PROCESSES))}

    def named():
        answers = product.ask_all_at_once("GET", "/metrics")
        up = r'(?m)^resource_sync_process_up\{process="(.+)"\} 1\.0$'
        return [set(re.findall(up, text)) for _, _, text in answers]

    wait_until(lambda: named() == 4 * PROCESSES * [everybody], "all processes")


def test_counters_of_all_processes_only_rise_whoever_answers(product):
    def lines():
        _, _, text = product.ask(random.choice(pids), "GET", "/metrics")
        found = re.findall(r"(?m)^(\S+_(?:total|count|bucket)\{.*\}) (\S+)$", text)
        return {name: float(value) for name, value in found}

    pids = list(product.listening())
    before = lines()
    for _ in range(8):
        product.ask(random.choice(pids), "GET", "/health")
        after = lines()
        fallen = [name for name in before if after.get(name, -1) < before[name]]
        assert fallen == []
        before = after
    answered = [n for name, n in before.items() if "http_requests_total" in name]
    assert sum(answered) >= 16


def test_all_processes_write_whole_lines_into_one_log_file(product):
    for pid in product.listening():
        product.ask(pid, "GET", "/api/tasks/no-such-task/status", **product.key)
    log = product.folder / "logs" / "combined.log"
    pids = {json.loads(line)["pid"] for line in log.read_text().splitlines()}
    assert pids >= set(product.listening())


def test_with_redis_all_processes_count_together(tmp_path):
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        pytest.skip("TEST_REDIS_URL names no Redis")
    clone = copy_of_the_product(tmp_path / "limited")
    environ = environment_of_a_user() | {"REDIS_URL": url, "RATE_LIMIT_CREATE": "5/h"}
    limited = Product(clone, environ)
    try:
        limited.wait_until_whole()
        assert "Warning" not in limited.output.read_text()
        answers = limited.ask_all_at_once("POST", "/api/tasks/say", {}, **limited.key)
    finally:
        limited.stop()
        with redis.from_url(url) as client:
            client.flushdb()
    assert Counter(status for status, _, _ in answers) == {202: 5, 429: 7}


def test_in_the_background_each_process_is_shown_and_a_stop_leaves_none(tmp_path):
    clone = copy_of_the_product(tmp_path / "product")
    environ = environment_of_a_user() | {
        "PORT": str(free_port()),
        "WEB_PROCESSES": str(PROCESSES),
        "RESOURCE_SOURCE": str(clone),
        "RATE_LIMIT_CREATE": "5/m",
    }

    def command(name, port=environ["PORT"]):
        return subprocess.run(
            [
                *("sh", "-c", f'ulimit -S -n {USUAL_FILE_LIMIT}; exec "$@"', "sh"),
                *(sys.executable, "-m", "resource_sync.start", name),
            ],
            cwd=clone,
            env={**environ, "PORT": port},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    started = command("start")
    assert started.returncode == 0, started.stderr
    try:
        said = [line for line in started.stdout.splitlines() if "REDIS_URL" in line]
        assert len(said) == 1, "that limits are not shared is told once"
        assert said[0].startswith("Warning: ")

        status = command("status").stdout
        shown = dict(re.findall(r"^(\S+) +\S+ +pid (\d+)", status, re.MULTILINE))
        assert list(shown) == ["runner:1", "web:1", "web:2", "web:3"]
        for number in range(1, PROCESSES + 1):
            assert (clone / "logs" / f"web-{number}.log").exists()
            web = psutil.Process(int(shown[f"web:{number}"]))
            wait_until(
                lambda web=web: len(set(web.rlimit(psutil.RLIMIT_NOFILE))) == 1,
                "the limit of open files to be raised",
            )
            assert web.rlimit(psutil.RLIMIT_NOFILE)[0] > USUAL_FILE_LIMIT

        for port in (environ["PORT"], str(free_port())):
            second = command("start", port)
            assert second.returncode == 1
            assert "already running with this DATA_DIR" in second.stderr
            assert second.stderr.count("\n") == 1
    finally:
        supervisor = int((clone / "data/run/supervisord.pid").read_text())
        processes = psutil.Process(supervisor).children(recursive=True)
        stopped = command("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert len(processes) >= PROCESSES + 1
    assert not [process for process in processes if process.is_running()]
    assert command("status").returncode == 3


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("0.0.0.0", ["127.0.0.1"]), ("::1", ["[::1]"]), ("::", ["127.0.0.1", "[::1]"])],
)
def test_two_processes_share_any_address_and_know_their_clients(
    new_service, host, addresses
):
    service = new_service(
        HOST=host,
        WEB_PROCESSES="2",
        IP_ALLOWLIST="127.0.0.1,::1",
        ALLOWED_HOSTS="127.0.0.1,[::1]",
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "resource_sync.web"],
            cwd=ROOT,
            env={**service.env, "HOST": host, "WEB_PROCESSES": "2"},
        )
        for _ in range(2)
    ]

    def status(address):
        url = f"http://{address}:{service.port}/api/tasks"
        headers = {"X-API-Key": service.api_key}
        try:
            return requests.get(url, headers=headers, timeout=30).status_code
        except requests.ConnectionError:
            return None

    try:
        for process in processes:
            web = psutil.Process(process.pid)
            wait_until(lambda web=web: listens(web), "both to listen")
        for address in addresses:
            assert {status(address) for _ in range(10)} == {200}
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(PATIENCE_SECONDS) for process in processes]
    assert codes == [0, 0]
