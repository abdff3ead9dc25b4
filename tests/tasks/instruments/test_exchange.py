"""Whichever process is asked, it tells of all that run on its host."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tasks.instruments import exchange, measures
from tests.waiting import wait_until

# Joins, counts something, and stays until its input ends.
OTHER = """
import sys
import django
django.setup()
from tasks.instruments import exchange, measures
exchange.join({kind!r})
measures.stored_lines.inc(7)
measures.open_streams.labels("task").inc()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(settings, monkeypatch):
    monkeypatch.setattr(exchange, "_place", exchange.Place("web"))
    with TemporaryDirectory() as short:  # a socket's path has a limit
        settings.DATA_DIR = Path(short)
        yield Path(short) / "metrics"


@contextmanager
def other(folder, kind):
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "resource_sync.settings",
        "SECRET_KEY": "only for this test" * 4,
        "DATA_DIR": str(folder.parent),
        "LOG_DIR": str(folder.parent / "logs"),
    }
    program = OTHER.format(kind=kind)
    started = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


def values(name):
    """By process."""
    return {
        sample.labels["process"]: sample.value
        for family in exchange.collected()
        for sample in family.samples
        if sample.name == f"resource_sync_{name}"
    }


def test_it_tells_what_the_others_have_counted_too(folder):
    with other(folder, "runner"), other(folder, "runner"):
        assert values("stored_lines_total") == {"runner-1": 7, "runner-2": 7}
        memory = values("process_resident_memory_bytes")
        assert memory.keys() == {"web", "runner-1", "runner-2"}
        assert min(memory.values()) > 1_000_000
        assert values("process_up") == {"web": 1, "runner-1": 1, "runner-2": 1}
        # What only web processes have a runner does not say.
        assert values("failed_sign_ins_total").keys() == {"web"}


def test_one_that_was_killed_is_not_there_and_its_name_is_taken_again(folder):
    with other(folder, "runner") as killed, other(folder, "runner"):
        killed.kill()
        killed.wait()
        assert values("process_up").keys() == {"web", "runner-2"}
        assert (folder / "runner-1.sock").exists()
        with other(folder, "runner"):
            assert values("process_up").keys() == {"web", "runner-1", "runner-2"}


def test_one_that_ends_in_order_leaves_nothing(folder):
    with other(folder, "runner") as leaving:
        leaving.stdin.close()
        leaving.wait()
        assert not list(folder.glob("*.sock"))


def test_one_that_is_stopped_is_told_as_such_and_holds_up_nobody_for_long(folder):
    with other(folder, "runner") as stopped, other(folder, "web"):
        stopped.send_signal(signal.SIGSTOP)
        process = psutil.Process(stopped.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "it to stop")
        assert values("process_up") == {"web": 1, "web-1": 1, "runner-1": 0}
        assert values("streams_open").keys() == {"web", "web-1"}


def test_the_folder_is_closed_to_others(folder):
    exchange.join("web")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert values("process_up") == {"web-1": 1}  # it does not ask itself


def test_a_process_goes_on_where_it_can_t_be_asked(folder, caplog):
    folder.write_text("in the way")
    exchange.join("web")
    assert "Metrics of this process are not collected" in caplog.text
    assert values("process_up") == {"web": 1}


def test_an_answer_that_is_none_is_left_out(folder):
    folder.mkdir()
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
        "s.listen(); print(flush=True); s.accept()[0].close(); sys.stdin.read()"
    )
    path = folder / "web-9.sock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as broken:
        broken.stdout.readline()
        assert values("process_up") == {"web": 1, "web-9": 0}


def test_a_method_that_a_client_made_up_is_no_label_of_its_own():
    measures.count_request("BREW", 405)
    labels = {
        sample.labels["method"]
        for family in measures.requests.collect()
        for sample in family.samples
    }
    assert "other" in labels
    assert "BREW" not in labels
