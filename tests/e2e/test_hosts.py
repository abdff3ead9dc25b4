"""One installation on several hosts, of which one vanishes without a word: no
connection to it is reset, as when a machine, a cable or a firewall dies."""

import subprocess
import sys
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.left_out import reason_against_hosts
from tests.waiting import PATIENCE_SECONDS, wait_until

from .cluster import own_cluster
from .conftest import ROOT
from .flow import wait_for_lines
from .hosts import Site, network
from .test_nginx import NGINX, Nginx
from .viewers import Viewer, assert_exact, watching

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

FEW_LINES = 5
GUARDED = """
[guarded{name}]
title = "Guarded"
idempotent = true
lock = "guarded:{{name}}"
{labels}
[guarded{name}.params.name]
pattern = "[a-z]+"
[guarded{name}.params.most]
default = "99999"
[[guarded{name}.steps]]
name = "guarded"
command = ["{{python}}", "{program}", "{folder}", "{{name}}", "{{most}}"]
"""
PROGRAM = Path(__file__).with_name("guarded.py")
NAMES = ("db", "front", "web1", "web2", "run1", "run2", "run3")
KEPT_SECONDS = 3  # for how long those runners keep tasks that are to be taken from them


def guarded(folder: Path, name: str = "", labels: str = "") -> str:
    return GUARDED.format(name=name, labels=labels, folder=folder, program=PROGRAM)


@pytest.fixture(scope="module")
def hosts():
    if reason := reason_against_hosts():
        pytest.skip(f"several hosts: {reason}")
    with network() as made:
        yield {name: made.host(name) for name in NAMES}


@pytest.fixture(scope="module")
def site(hosts, tmp_path_factory):
    """The product on these hosts: with PostgreSQL on one, and two of each kind."""
    with own_cluster(host=hosts["db"], connections=90) as cluster:
        folder = tmp_path_factory.mktemp("hosts")
        site = Site(
            folder,
            cluster.url,
            guarded(folder) + guarded(folder, "-far", 'labels = ["far"]'),
            ALLOWED_HOSTS=",".join(host.address for host in hosts.values()),
            TRUSTED_PROXIES=hosts["front"].address,
        )
        site.prepare()
        site.manage("migrate", "-v0")
        for name in ("web1", "web2"):
            site.start_on(hosts[name], name)
        site.start_on(hosts["run1"], "run1")
        site.url = site.url_on(hosts["web2"])
        wait_until(site.is_healthy, "the second web process")
        site.url = site.url_on(hosts["web1"])
        site.wait_healthy()
        yield site
        site.stop()


def said_by(site, name, text):
    return (site.data_dir / f"{name}.out").read_text().count(text)


def mark(site, name, what):
    return site.data_dir / f"{name}.{what}"


@contextmanager
def viewed(site, task_id, name, count=1):
    """Viewers of a guarded task that has begun; behind the block it is told that it is
    enough, and each viewer has it whole."""
    viewers = [Viewer(site, task_id) for _ in range(count)]
    with watching(*viewers):
        try:
            wait_for_lines(viewers, FEW_LINES)
            yield viewers
            wait_for_lines(viewers, max(one.last for one in viewers) + FEW_LINES)
        finally:
            mark(site, name, "enough").touch()
    assert_exact(site, task_id, *viewers)
    assert not mark(site, name, "twice").exists()
    assert viewers[0].end["status"] == "completed"


def test_a_database_server_that_vanishes_is_given_up(site, hosts):
    task_id = site.create("guarded", name="vanished")
    with viewed(site, task_id, "vanished"), hosts["db"].cut_off():
        # No packet comes back, so that only a limit of one's own can end the waiting.
        for name, text in [
            ("run1", "Lines can't be stored; trying again"),
            ("run1", "The connection for news is down"),
            ("web1", "The tasks that are watched can't be read"),
        ]:
            wait_until(partial(said_by, site, name, text), text)


def test_what_a_vanished_host_has_locked_is_free_again(site, hosts):
    task_id = site.create("guarded", name="locked", most="1")
    site.wait_for(task_id)
    lock = f"""
import time
from django.db import transaction
from tasks.models import Task
with transaction.atomic():
    Task.objects.select_for_update().get(pk="{task_id}")
    print("locked", flush=True)
    time.sleep(3600)
"""
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c", lock]
    started = hosts["run2"].command(*command)
    with subprocess.Popen(started, env=site.env, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with closing(psycopg.connect(site.env["DATABASE_URL"])) as other:
            other.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
            statement = "SELECT id FROM tasks_task WHERE id = %s FOR UPDATE"
            with hosts["run2"].cut_off():
                assert other.execute(statement, [task_id]).fetchone()
        hosts["run2"].crash()
    hosts["run2"].boot()


def test_a_runner_that_is_cut_off_has_ended_its_program_before_another_runs_it(
    site, hosts
):
    task_id = site.create("guarded-far", name="far")
    assert site.task(task_id)["waitingFor"]["message"] == (
        "Waiting: no active runner has these labels: far."
    )
    options = ("--labels", "far", "--patience", str(KEPT_SECONDS))
    cut_off = site.start_on(hosts["run2"], "run2", *options)
    with viewed(site, task_id, "far"):
        site.start_on(hosts["run3"], "run3", *options)
        with hosts["run2"].cut_off():
            wait_until(lambda: site.task(task_id)["attempt"] == 2, "its recovery")
            site.wait_for(task_id, "running")
        wait_until(lambda: cut_off.poll() is not None, "the runner to give up")
    assert cut_off.returncode == 1
    assert said_by(site, "run2", "The lease was lost")
    began = mark(site, "far", "began").read_text().splitlines()
    assert [line.split()[0] for line in began] == ["run2", "run3"]
    # Or it would take the other tests' tasks, too.
    hosts["run3"].crash()
    hosts["run3"].boot()


@pytest.mark.nginx
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_viewers_of_a_web_host_that_vanishes_go_on_at_another(
    site, hosts, tmp_path, monkeypatch
):
    first, second = (
        f"server {hosts[name].address}:{site.port};" for name in ("web1", "web2")
    )
    nginx = Nginx(
        tmp_path,
        site.port,
        (f"server 127.0.0.1:{site.port};", first),
        ("# server 192.168.1.8:3000;", f"{second} #"),
        host=hosts["front"],
    )
    monkeypatch.setattr(site, "url", nginx.url)
    try:
        wait_until(site.is_healthy, "nginx")
        task_id = site.create("guarded", name="viewed")
        with viewed(site, task_id, "viewed", 4) as viewers, hosts["web2"].cut_off():
            wait_until(lambda: any(one.connections > 1 for one in viewers), "a return")
            assert site.create("guarded", name="meanwhile", most="1")
    finally:
        nginx.stop()
    # Round robin gave half of them to the other host, who notice nothing.
    assert {1, 2} <= {viewer.connections for viewer in viewers}
