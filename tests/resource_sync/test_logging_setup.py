"""Where logs go: to files in a folder, or to standard output as containers want it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent
SAY = "import logging; logging.getLogger('tasks').info('told'); print('answer')"


@pytest.fixture
def environ(tmp_path):
    """Of a container: nothing but DATA_DIR can be written."""
    nowhere = "/proc/nowhere"  # a folder that nobody can make
    return {**os.environ, "LOG_TO": "stdout", "LOG_DIR": nowhere, "LOG_LEVEL": "INFO"}


def said_by(command, environ):
    """(what is printed, what is logged) by Django's shell under another name."""
    code = f"import sys; sys.argv = {command!r}; import django; django.setup(); {SAY}"
    settings = "resource_sync.settings"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environ, "DJANGO_SETTINGS_MODULE": settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("command", [["/x/web.py"], ["manage.py", "run_tasks"]])
def test_a_service_logs_json_lines_to_standard_output(environ, command):
    out, err = said_by(command, environ)
    line, answer = out.splitlines()
    assert json.loads(line)["message"] == "told"
    assert json.loads(line)["level"] == "INFO"
    assert (answer, err) == ("answer", "")


def test_the_answer_of_a_command_has_no_log_in_it(environ):
    out, err = said_by(["manage.py", "list_tasks", "--json"], environ)
    assert out == "answer\n"
    assert json.loads(err)["message"] == "told"


def test_a_web_process_says_where_it_listens_and_writes_no_file(environ, tmp_path):
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "resource_sync.web"],
        env={**environ, "PORT": str(port), "DATA_DIR": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as web:
        lines = map(json.loads, web.stdout)
        listening = next(line for line in lines if "Listening" in line["message"])
        web.terminate()
        web.communicate(timeout=PATIENCE_SECONDS)
    assert listening["message"].endswith(f"port {port}.")
    assert not [*tmp_path.rglob("*.log")]


def test_another_word_stops_the_start(environ):
    done = subprocess.run(
        [sys.executable, "-c", "import resource_sync.settings"],
        env={**environ, "LOG_TO": "syslog"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "LOG_TO: 'syslog' is not valid; expected files or stdout.\n"


def test_disks_of_logs_are_looked_at_only_where_there_are_logs(settings):
    from tasks.disk import own_folders

    settings.LOG_TO = "files"
    assert set(own_folders()) == {"DATA_DIR", "LOG_DIR"}
    settings.LOG_TO = "stdout"
    assert set(own_folders()) == {"DATA_DIR"}
