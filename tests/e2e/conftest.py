"""The product as its users meet it: real Daphne, a real runner, real databases."""

import atexit
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from playwright.sync_api import Page, expect, sync_playwright

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytest.register_assert_rewrite("tests.e2e.flow", "tests.e2e.viewers")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 120_000  # of a browser
CHROMIUM_ARGUMENTS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-extensions --disable-component-extensions-with-background-pages "
    # The last of these lists counts, so it has what matters here of Playwright's; and
    # parts of the browser's own frame that would be loaded ahead for each window, which
    # takes as long as all else (measured with 156).
    "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,MediaRouter,PaintHolding,OptimizationHints,"
    "ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,PreloadTopChromeWebUI"
)
# Debian has the browser without its frame, too, in which a page takes a quarter of the
# processor time (measured with 156). Where a task is started and watched, and what
# the frame has a part in, as notifications, is tested with it.
IN_A_FRAME = {"test_browser_console.py", "test_browser_task.py"}


class Service:
    """One running product: a web server, a runner, a database and a data folder."""

    def __init__(self, folder: Path, database_url: str, **settings: str) -> None:
        self.data_dir = folder
        self.api_key = secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        if not database_url:
            shutil.copy(migrated_sqlite(), folder)
        types = folder / "task_types.toml"
        types.write_text(
            (ROOT / "task_types.toml").read_text()
            + Path(__file__).with_name("task_types.toml").read_text()
        )
        self.env = {
            **os.environ,
            "SECRET_KEY": secrets.token_hex(32),
            "API_KEY": self.api_key,
            "DATA_DIR": str(folder),
            "LOG_DIR": str(folder / "logs"),
            "PORT": str(self.port),
            "DATABASE_URL": database_url,
            "TASK_TYPES_FILE": str(types),
            **settings,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # --- Processes ------------------------------------------------------------------

    def manage(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        check = options.pop("check", True)
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            **options,
        )
        assert not (check and done.returncode), done.stderr
        return done

    def prepare(self) -> None:
        """Give it its static files; its database is migrated already."""
        shutil.copytree(collected_static(), self.data_dir / "static")

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``web…`` or any runner; what it prints is in NAME.out."""
        if name.startswith("web"):
            command = ["-m", "resource_sync.web"]
        else:
            command = [str(ROOT / "manage.py"), "run_tasks", *arguments]
        with (self.data_dir / f"{name}.out").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=output,
            )
        self.processes[name] = process
        return process

    def run(self, *runner_arguments: str) -> "Service":
        """Start a web server and a runner, and wait until they serve."""
        self.start("web")
        self.start("runner", *runner_arguments)
        self.wait_healthy()
        return self

    def wait_healthy(self) -> None:
        """Wait until it serves; where it never does, say what its processes printed."""
        started = self.processes.items()
        try:
            wait_until(lambda: self.is_healthy() or self.has_lost_one(), "its health")
            assert self.is_healthy()
        except AssertionError as failure:
            said = [self.last_words(name, process) for name, process in started]
            raise AssertionError("\n".join([str(failure), *said])) from None

    def has_lost_one(self) -> bool:
        return any(process.poll() is not None for process in self.processes.values())

    def last_words(self, name: str, process: subprocess.Popen[bytes]) -> str:
        output = (self.data_dir / f"{name}.out").read_text(errors="replace")
        return f"{name} (exit code: {process.poll()}):\n{output[-3000:]}"

    def is_healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop_one(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.wait(30)

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    # --- The API --------------------------------------------------------------------

    def request(self, method: str, path: str, **options) -> requests.Response:
        headers = {"X-API-Key": self.api_key, **options.pop("headers", {})}
        return requests.request(
            method,
            self.url + path,
            headers=headers,
            timeout=options.pop("timeout", PATIENCE_SECONDS),
            **options,
        )

    def create(self, task_type: str, **params: str) -> str:
        """Start a task; returns its id."""
        answer = self.request("POST", f"/api/tasks/{task_type}", json=params)
        assert answer.status_code == 202, answer.text
        return answer.json()["taskId"]

    def task(self, task_id: str) -> dict:
        return self.request("GET", f"/api/tasks/{task_id}").json()

    def wait_for(self, task_id: str, *statuses: str) -> dict:
        """The task, once it has one of these statuses (or has ended)."""
        wanted = statuses or ("completed", "failed", "cancelled")

        def task_in_time():
            task = self.task(task_id)
            return task if task["status"] in wanted else None

        return wait_until(task_in_time, f"task {task_id} to be {wanted}")

    def lines(self, task_id: str) -> list[dict]:
        """The stored log, whole."""
        lines, after = [], 0
        while after is not None:
            path = f"/api/tasks/{task_id}/logs?after={after}&limit=10000"
            page = self.request("GET", path).json()
            lines += page["logs"]
            after = page["next"]
        return lines

    def messages(self, task_id: str, *levels: str) -> list[str]:
        lines = self.lines(task_id)
        return [x["message"] for x in lines if not levels or x["level"] in levels]

    def stream(self, task_id: str, query: str = "", **headers: str):
        """The open response of a stream."""
        return self.request(
            "GET", f"/api/tasks/{task_id}/stream{query}", headers=headers, stream=True
        )

    def events(self, task_id: str, query: str = "", **headers: str) -> list[dict]:
        """Every event of a stream, to its end."""
        with self.stream(task_id, query, **headers) as response:
            assert response.status_code == 200, response.text
            return [event for _, event in parse(response)]

    def sign_in_link(self, name: str = "admin") -> str:
        """A fresh one-time link for a user, who may do everything, and is made if need
        be."""
        code = (
            "from django.contrib.auth.models import User;"
            "from tasks.access.sign_in import sign_in_link;"
            "u, _ = User.objects.get_or_create("
            f"username={name!r}, defaults="
            "dict(is_staff=True, is_superuser=True, password='!'));"
            f"print(sign_in_link(u, '{self.url}'))"
        )
        return self.manage("shell", "-v0", "-c", code).stdout.strip().splitlines()[-1]


def parse(response):
    """(id or None, data) of each event of an open response, strictly: any line that
    is neither ``id:``, ``retry:``, ``data:`` nor empty is an error."""
    event_id, data = None, None
    for raw in response.iter_lines(chunk_size=65536, delimiter=b"\n"):
        if raw.startswith(b"id: "):
            event_id = raw[4:].decode()
        elif raw.startswith(b"data: "):
            assert data is None, "two data lines in one event"
            data = json.loads(raw[6:])
        elif not raw and data is not None:
            yield event_id, data
            event_id, data = None, None
        else:
            assert not raw or raw.startswith(b"retry: "), raw


def processes_with(mark: str) -> list[psutil.Process]:
    """Living processes that have this text in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        is_dead = process.info["status"] == psutil.STATUS_ZOMBIE
        if any(mark in word for word in words) and not is_dead:
            found.append(process)
    return found


def watched(page):
    """The task that a page shows."""
    return page.locator("[data-task]")


def manage(*arguments: str, **settings: str) -> None:
    environ = {**os.environ, "SECRET_KEY": secrets.token_hex(32), **settings}
    command = [sys.executable, ROOT / "manage.py", *arguments, "-v0"]
    subprocess.run(command, env=environ, check=True)


@pytest.fixture(scope="session", autouse=True)
def _found_data(tmp_path_factory):
    """Where all test processes of a run find what one of them made."""
    global made_in
    own = tmp_path_factory.getbasetemp()
    made_in = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


made_in: Path | None = None


def found_data() -> Path:
    """Return that folder; a benchmark, without pytest, has one of its own."""
    global made_in
    if made_in is None:
        made_in = Path(tempfile.mkdtemp(prefix="found-"))
        atexit.register(shutil.rmtree, made_in)
    return made_in


# These take seconds, and dozens of products are made: all are copies of one.
def migrated_sqlite() -> Path:
    return made_once("migrated", "migrate") / "db.sqlite3"


def collected_static() -> Path:
    return made_once("collected", "collectstatic", "--noinput") / "static"


def made_once(name: str, *command: str) -> Path:
    """The data folder of a product on which only this command was run."""
    folder = found_data() / name
    with (found_data() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = Path(tempfile.mkdtemp(prefix=name, dir=found_data()))
            places = {"DATA_DIR": str(half), "LOG_DIR": str(half / "logs")}
            manage(*command, DATABASE_URL="", **places)
            half.rename(folder)
    return folder


@pytest.fixture(scope="session")
def new_database_url():
    """Makes database URLs: SQLite's default, or fresh databases on PostgreSQL; all
    migrated already."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    made, migrated = [], []

    def new(template: str) -> str:
        name = f"e2e_{os.getpid()}_{secrets.token_hex(3)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        made.append(name)
        return name

    def url(name: str) -> str:
        return f"{server.rpartition('/')[0]}/{name}"

    def make() -> str:
        if not server:
            return ""
        if not migrated:
            migrated.append(new("template1"))
            manage("migrate", DATABASE_URL=url(migrated[0]))
        return url(new(migrated[0]))

    make.empty = lambda: url(new("template1"))
    yield make
    for name in made:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def cluster():
    """A PostgreSQL server of the tests' own."""
    from .cluster import own_cluster  # which needs this module

    if not os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("PostgreSQL: TEST_DATABASE_URL is not set")
    with own_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def service(tmp_path_factory, new_database_url):
    """A running product that all tests of a session share."""
    unlimited = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0"}
    service = Service(
        tmp_path_factory.mktemp("service"),
        new_database_url(),
        TASK_RETENTION="0",
        **unlimited,
    )
    service.prepare()
    yield service.run("--concurrency", "8")
    service.stop()


@pytest.fixture
def new_service(tmp_path, new_database_url):
    """Makes a product of a test's own, for what breaks things: nothing of it runs
    yet. Settings are given by name."""
    made = []

    def make(**settings: str) -> Service:
        folder = tmp_path / f"service-{len(made)}"
        folder.mkdir()
        defaults = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0"}
        service = Service(folder, new_database_url(), **{**defaults, **settings})
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()


# One for all modules, and for no longer than a module: while it lives its thread has
# an event loop, in which neither a second one nor Django's database can be used.
@pytest.fixture(scope="module")
def chromium(request):
    """A real browser."""
    programs = ("chromium-headless-shell", "chromium", "chromium-browser")
    if request.path.name in IN_A_FRAME:
        programs = programs[1:]
    program = next(filter(None, map(shutil.which, programs)), None)
    if not program:
        pytest.skip("there is no chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=CHROMIUM_ARGUMENTS.split()
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium, service):
    """The cookies of somebody who came by the one-time link."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(service.sign_in_link())
    expect(page).to_have_url(service.url + "/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(chromium, service, signed_in):
    """Opens pages; at the end no console may hold an error, and so no violation of
    the content security policy either."""
    contexts, errors = [], []

    def complain(message):
        # The tests that cut the connection, sign out or are refused see that there.
        # Another network of this machine may come up meanwhile.
        is_cut = re.search(
            "net::ERR_(FAILED|NETWORK_CHANGED)|status of (502|401|403|400)",
            message.text,
        )
        if message.type == "error" and not is_cut:
            errors.append(message.text)

    def make(path="/", **options) -> Page:
        context = chromium.new_context(
            base_url=service.url, storage_state=signed_in, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="session")
def demo(service):
    """The demo resources, in the shared service's data folder."""
    subprocess.run(
        [sys.executable, "-m", "resources", "demo"],
        cwd=ROOT,
        env=service.env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return service.data_dir / "resources"
