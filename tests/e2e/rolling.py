"""An update of the whole product under load: two web processes and two runners that are
replaced one after the other, and clients that know of no update."""

import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import requests
from dotenv import dotenv_values

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT
from .product import FILES, ROOMS, Started, environment_of_a_user
from .watcher import Watcher

# For all that a roll waits for, one process after another, on a busy machine.
ROLL_SECONDS = 5 * PATIENCE_SECONDS
LINES, PAUSE = "120", "0.05"
BETWEEN_STARTS_SECONDS = 0.2  # more would be a test of the machine
STREAMS_OF_A_TASK = 3
AT_A_TIME = 4
# Such as each release understands.
TYPES = """
[say]
[[say.steps]]
command = ["echo", "said"]
[slowly]
[slowly.params.n]
pattern = "[0-9]{1,5}"
[slowly.params.pause]
pattern = "[0-9.]{1,6}"
[[slowly.steps]]
command = ["sh", "-c", "for i in $(seq $1); do echo line $i; sleep $2; done",
  "sh", "{n}", "{pause}"]
"""
# As the first migration of the next release might be.
NEXT_MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "{last}")]
    operations = [
        migrations.CreateModel(
            name="Novelty", fields=[("id", models.BigAutoField(primary_key=True))]
        ),
    ]
"""


def replace(source, target):
    """Exchange a file in one moment, as git does: processes that run may load it."""
    new = shutil.copy(source, f"{target}.new")
    Path(new).replace(target)
    return target


class Product(Started):
    """Two web processes and two runners on PostgreSQL."""

    def __init__(self, folder, database_url, **settings):
        with (folder / "task_types.toml").open("a") as types:
            types.write(TYPES)
        environ = {
            **environment_of_a_user(),
            "DATABASE_URL": database_url,
            "WEB_PROCESSES": "2",
            "RUNNERS": "2",
            "RATE_LIMIT_CREATE": "0",
            "RATE_LIMIT_READ": "0",
            "TASK_RETENTION": "0",
            **settings,
        }
        super().__init__(folder, free_port(), environ)
        self.environ = {**environ, "PORT": str(self.port)}

    def wait_until_whole(self):
        wait_until(self.is_healthy, "the service to be healthy")
        wait_until(lambda: self.get("/health")["runners"] == 2, "both runners")
        wait_until(lambda: len(self.parts()) == 4, "all processes")
        key = dotenv_values(self.folder / ".env")["API_KEY"]
        self.key = {"X-API-Key": key}

    def wait_until_all_have_served(self):
        """Until each web process has answered: release 2.0.0 loads its views only with
        its first request, and would take them from other files after the update."""
        with ExitStack() as opened:

            def each_has_a_connection():
                session = opened.enter_context(requests.Session())
                session.get(f"{self.url}/api/task-types", headers=self.key, timeout=60)
                return all(
                    any(
                        one.status == psutil.CONN_ESTABLISHED
                        and one.laddr.port == self.port
                        for one in web.net_connections()
                    )
                    for web in self.children("resource_sync.web")
                )

            wait_until(each_has_a_connection, "both web processes to have answered")

    def get(self, path, **headers):
        answer = requests.get(self.url + path, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def parts(self):
        """The ids of the processes that serve."""
        marks = ("resource_sync.web", "run_tasks")
        return {child.pid for mark in marks for child in self.children(mark)}

    def update(self):
        """Put today's code in its place, with a migration that nobody has had."""
        for room in (*ROOMS, "locale", "deploy"):
            shutil.copytree(
                ROOT / room,
                self.folder / room,
                copy_function=replace,
                dirs_exist_ok=True,
            )
        for file in set(FILES) - {"task_types.toml"}:
            replace(ROOT / file, self.folder / file)
        migrations = self.folder / "tasks" / "migrations"
        last = max(file.stem for file in migrations.glob("0*.py"))
        text = NEXT_MIGRATION.replace("{last}", last)
        (migrations / "9999_of_the_next_release.py").write_text(text)

    def roll(self):
        return subprocess.run(
            [sys.executable, "-m", "resource_sync.start", "roll"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=ROLL_SECONDS,
        )


class Client(threading.Thread):
    """Starts tasks one after the other until it is told to stop: the same way as a
    program that knows of no update."""

    def __init__(self, product, task_type, params, *, keeps_connection, watched):
        super().__init__(daemon=True)
        self.product, self.task_type, self.params = product, task_type, params
        self.keeps_connection, self.watched = keeps_connection, watched
        self.failures, self.ids, self.watchers = [], [], []
        self.answers = []  # (time.monotonic() of the question, seconds to its answer)
        self.is_over = threading.Event()
        self.start()

    def run(self):
        session = requests.Session()
        while not self.is_over.is_set():
            try:
                self.ids.append(self.create(session))
            except (requests.RequestException, AssertionError) as failure:
                self.failures.append(repr(failure))
                continue
            if self.watched:
                self.watch(self.ids[-1])
            if not self.keeps_connection:
                session.close()
            self.is_over.wait(BETWEEN_STARTS_SECONDS)

    def create(self, session):
        url = f"{self.product.url}/api/tasks/{self.task_type}"
        asked_at = time.monotonic()
        answer = session.post(
            url, json=self.params, headers=self.product.key, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 202, answer.text
        self.answers.append((asked_at, time.monotonic() - asked_at))
        return answer.json()["taskId"]

    def watch(self, task_id):
        made = [Watcher(self.product, task_id) for _ in range(STREAMS_OF_A_TASK)]
        self.watchers += made
        while not self.is_over.is_set() and self.open_tasks() >= AT_A_TIME:
            self.is_over.wait(0.1)

    def open_tasks(self):
        return len({one.task_id for one in self.watchers if one.end is None})


class Load:
    """Clients that start short tasks and long ones, with streams of the long ones."""

    def __init__(self, product):
        self.product = product
        params = {"n": LINES, "pause": PAUSE}
        self.clients = [
            Client(product, "slowly", params, keeps_connection=True, watched=True),
            Client(product, "say", {}, keeps_connection=True, watched=False),
            Client(product, "say", {}, keeps_connection=False, watched=False),
        ]

    @property
    def watchers(self):
        return [one for client in self.clients for one in client.watchers]

    @property
    def failures(self):
        return [one for client in self.clients for one in client.failures]

    def wait_until_it_flows(self):
        wait_until(
            lambda: (
                all(client.ids for client in self.clients)
                and any(len(one.seqs) > 5 for one in self.watchers)
            ),
            "tasks and lines",
        )

    def end(self):
        """No more is asked for; what was comes to its end."""
        for client in self.clients:
            client.is_over.set()
            client.join(PATIENCE_SECONDS)
        for watcher in self.watchers:
            watcher.join(PATIENCE_SECONDS)
        ids = {task_id for client in self.clients for task_id in client.ids}
        wait_until(lambda: not self.statuses(ids) & {"pending", "running"}, "all ends")
        return ids

    def status_of(self, ids):
        """By task."""
        found, path = {}, "/api/tasks?limit=100"
        while path:
            page = self.product.get(path, **self.product.key)
            found |= {task["id"]: task["status"] for task in page["tasks"]}
            path = page["next"] and "/api/" + page["next"].partition("/api/")[2]
        return {task_id: found[task_id] for task_id in ids}

    def statuses(self, ids):
        return set(self.status_of(ids).values())


def tcp_migrate_req():
    """The kernel's setting, "0" or "1"; "" where it has none."""
    path = Path("/proc/sys/net/ipv4/tcp_migrate_req")
    return path.read_text().strip() if path.exists() else ""


def resets(failures):
    """Of connections that the kernel was making in the moment in which a listening
    socket was closed: without net.ipv4.tcp_migrate_req it can't hand them over."""
    return [one for one in failures if "ConnectionResetError" in one]


def whole_logs(watchers):
    """Whether each saw each line of its task once, in order."""
    return all(
        one.seqs == list(range(1, one.end["logCount"] + 1)) and not one.refused
        for one in watchers
    )
