"""The files of the container image say what the product has. What they do when they are
run is deploy/container/try.sh's to show."""

import http.server
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from django.urls import resolve

from resource_sync.environment import duration
from resource_sync.settings import VARIABLES
from resource_sync.variables import ELSEWHERE, OTHERS_PREFIXES
from tasks.catalog.task_type import STOP_GRACE_SECONDS
from tasks.runner.stop_limit import MARGIN_SECONDS
from tests.ports import free_port
from tests.test_docs import ROOMS

ROOT = Path(__file__).resolve().parent.parent
CONTAINER = ROOT / "deploy" / "container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
OBJECTS = [*yaml.safe_load_all((CONTAINER / "kubernetes.yaml").read_text())]
OF_THE_PRODUCT = {"prepare", "web", "runner"}


def is_read(name):
    return name in {*VARIABLES, *ELSEWHERE} or name.startswith(OTHERS_PREFIXES)


def pods():
    """Yield the name and the pod of each object that has one."""
    for found in OBJECTS:
        if template := found.get("spec", {}).get("template"):
            yield found["metadata"]["name"], template["spec"]


def containers():
    for _, pod in pods():
        yield from [*pod.get("initContainers", []), *pod["containers"]]


def of_kind(kind):
    return next(found for found in OBJECTS if found["kind"] == kind)


def test_every_room_gets_into_the_image():
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    assert {*ROOMS, "client", "templates", "static", "locale"} <= copied
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{room}" for room in copied} <= set(let_in)
    assert "*" in let_in, "what is not named stays out"
    assert not {"!.env", "!data", "!logs", "!tests"} & set(let_in)


def test_every_variable_that_is_set_is_read():
    of_compose = set().union(
        *(COMPOSE["services"][name]["environment"] for name in OF_THE_PRODUCT)
    )
    of_kubernetes = {*of_kind("ConfigMap")["data"], *of_kind("Secret")["stringData"]}
    of_the_image = set(re.findall(r"^(?:ENV| {4}) ?([A-Z_]+)=", DOCKERFILE, re.M))
    assert len(of_compose) > 5
    assert len(of_kubernetes) > 10
    assert {"LOG_TO", "STATIC_DIR"} <= of_the_image
    ours = of_compose | of_kubernetes | (of_the_image - {"PATH", "LANG", "HOME"})
    assert {name for name in ours if not is_read(name)} == set()


def test_a_setting_in_compose_s_file_reaches_every_container_of_the_product():
    own = {"DATABASE_URL", "REDIS_URL", "TRUSTED_PROXIES", "PORT", "ADMIN_PASSWORD"}
    for name in OF_THE_PRODUCT:
        service = COMPOSE["services"][name]
        assert service["env_file"] == [".env"]
        said = service["environment"].items()
        assert {key for key, text in said if f"${{{key}:" not in text} <= own


def test_every_container_of_the_product_may_do_as_little_as_it_needs():
    for name in OF_THE_PRODUCT:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    for container in containers():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
    for _, pod in pods():
        assert pod["securityContext"]["runAsUser"] == 10001


def test_probes_ask_what_there_is():
    asked = [
        probe["httpGet"]["path"]
        for container in containers()
        for kind, probe in container.items()
        if kind.endswith("Probe")
    ]
    assert sorted(asked) == ["/health/live", "/health/live", "/health/ready"]
    for path in asked:
        assert resolve(path)


def test_a_runner_has_the_time_that_it_promises_to_its_tasks():
    promised = duration(of_kind("ConfigMap")["data"]["RUNNER_DRAIN"])
    runner = of_kind("StatefulSet")["spec"]["template"]["spec"]
    enough = promised + STOP_GRACE_SECONDS + MARGIN_SECONDS
    assert runner["terminationGracePeriodSeconds"] >= enough

    environment = COMPOSE["services"]["runner"]["environment"]
    stop = COMPOSE["services"]["runner"]["stop_grace_period"]
    drain, limit = (
        duration(re.search(r":-(\w+)}", text)[1])
        for text in (environment["RUNNER_DRAIN"], stop)
    )
    assert limit >= drain + STOP_GRACE_SECONDS + MARGIN_SECONDS


def test_all_wait_for_what_precedes_them():
    for name in ("web", "runner"):
        wanted = COMPOSE["services"][name]["depends_on"]["prepare"]
        assert wanted == {"condition": "service_completed_successfully"}
    prepare = COMPOSE["services"]["prepare"]["depends_on"]["postgres"]
    assert prepare == {"condition": "service_healthy"}


def adapt(site):
    """Run what makes our site one for the image."""
    return subprocess.run(
        ["sh", CONTAINER / "nginx.sh", "adapt"],
        env={"PATH": "/usr/bin:/bin", "SITE": str(site)},
        capture_output=True,
        text=True,
    )


def test_the_site_of_nginx_becomes_one_for_containers(tmp_path):
    site = tmp_path / "site.conf"
    site.write_text((ROOT / "deploy/nginx/resource-sync.conf").read_text())
    assert adapt(site).returncode == 0
    text = site.read_text()
    assert "include /tmp/web.conf;" in text
    assert "    listen 8080;" in text
    assert "access_log /dev/stdout resource_sync;" in text
    assert "/var/log" not in text
    assert not re.search(r"^ +server 127", text, re.MULTILINE)


def test_a_site_that_has_changed_stops_the_build_and_says_where(tmp_path):
    site = tmp_path / "site.conf"
    text = (ROOT / "deploy/nginx/resource-sync.conf").read_text()
    site.write_text(text.replace("listen 80;", "listen 81;"))
    refused = adapt(site)
    assert refused.returncode == 1
    assert "has no line like: ^    listen 80;" in refused.stderr


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = self.server.status if self.path == "/health/live" else 404
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def answering():
    """Start a server that answers with a status; returns its port."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(port, host="0.0.0.0"):
    done = subprocess.run(
        [sys.executable, CONTAINER / "healthcheck.py"],
        env={"HOST": host, "PORT": str(port)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def test_a_web_process_that_answers_is_healthy(answering):
    answering.status = 200
    assert asked(answering.server_port) == (0, "")


def test_one_that_answers_otherwise_is_not_and_says_how(answering):
    answering.status = 503
    assert asked(answering.server_port) == (1, "It answers 503.\n")


def test_one_that_is_not_there_is_not_healthy():
    code, said = asked(free_port())
    assert code == 1
    assert said.startswith("It does not answer: ")
    assert said.count("\n") == 1


# As much of docker as update.sh asks: the containers of a service are in a file, and
# what is done is written down. DEAD names a service whose new containers don't serve.
DOCKER = """\
#!/usr/bin/env python3
import os, sys
from pathlib import Path
folder, dead, words = Path(sys.argv[0]).parent, os.environ["DEAD"], sys.argv[1:]
def note(*what):
    with (folder / "done").open("a") as done:
        print(*what, file=done)
def ids(name):
    return (folder / name).read_text().split()
def keep(name, left):
    (folder / name).write_text(" ".join(left))
match words:
    case ["compose", "up", *options, name]:
        note("up", name)
        if "--no-recreate" in options:
            there, count = ids(name), int(options[-1].partition("=")[2])
            more = range(len(there) + 1, count + 1)
            keep(name, there + [f"{number:012}-{name}" for number in more])
    case ["compose", "ps", *_, name]:
        print(*ids(name) if dead != "all" or name == "prepare" else (), sep="\\n")
    case ["compose", "exec", "-T", "web", *_]:
        served = ids("runner")[: 1 if dead == "runner" else None]
        print(*[f"{one[:12]}-7" for one in served], sep="\\n")
    case ["compose", "exec", "-T", "nginx", "sh", _, *said]:
        note("nginx", said[0], len(said) - 1)
    case ["inspect", "--format", text, *these]:
        health = "starting" if dead == "web" else "healthy"
        for one in these:
            kinds = {"Health": health, "Hostname": one[:12], "IPAddress": "10.0.0.1"}
            print(next(what for kind, what in kinds.items() if kind in text))
    case ["wait", _]:
        print(1 if dead == "prepare" else 0)
    case [what, *these]:
        these = [one for one in these if one[0] != "-" and not one.isdigit()]
        name = these[0][13:]
        note(what, name, *[int(one[:12]) for one in these])
        if what == "rm":
            keep(name, [one for one in ids(name) if one not in these])
"""


def updated(folder, dead=""):
    """Run update.sh on a runner and two web processes; return its exit code, what it
    had docker do, and what it said."""
    docker = folder / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    for name, count in {"prepare": 1, "runner": 1, "web": 2}.items():
        numbers = range(1, count + 1)
        (folder / name).write_text(" ".join(f"{n:012}-{name}" for n in numbers))
    done = subprocess.run(
        ["sh", CONTAINER / "update.sh"],
        env={"PATH": f"{folder}:/usr/bin:/bin", "DEAD": dead, "PATIENCE": "0"},
        capture_output=True,
        text=True,
    )
    return done.returncode, (folder / "done").read_text().splitlines(), done.stderr


def test_an_update_stops_what_is_old_once_the_new_serves(tmp_path):
    assert updated(tmp_path)[:2] == (
        0,
        [
            "up prepare",
            *("up runner", "stop runner 1", "rm runner 1"),
            *("up web", "nginx only 2", "stop web 1 2", "rm web 1 2", "nginx all 0"),
            "up nginx",
        ],
    )


@pytest.mark.parametrize(
    ("dead", "done"),
    [
        ("all", ["up prepare"]),
        ("prepare", ["logs prepare 1"]),
        ("runner", ["up runner", "logs runner 2", "rm runner 2"]),
        ("web", ["up web", "logs web 3", "logs web 4", "rm web 3 4"]),
    ],
)
def test_an_update_whose_new_containers_do_not_serve_leaves_the_old(
    dead, done, tmp_path
):
    code, found, said = updated(tmp_path, dead)
    assert (code, found[-len(done) :]) == (1, done)
    expected = {
        "all": "No container of runner runs",
        "prepare": "",
        "runner": "New containers of runner do not serve",
        "web": "New containers of web do not serve",
    }
    assert expected[dead] in said
    left = [(tmp_path / name).read_text().split() for name in ("runner", "web")]
    assert [*map(len, left)] == [1, 2]
