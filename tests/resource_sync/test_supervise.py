"""How web and runner are kept running."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from resource_sync import supervise


def test_a_short_socket_path_is_beside_the_data(tmp_path):
    run = Path("/tmp/run")
    assert supervise.socket_path(run) == run / "supervisor.sock"


def test_a_socket_path_too_long_for_the_system_is_elsewhere(tmp_path):
    run = tmp_path / ("d" * 100)
    path = supervise.socket_path(run)
    assert len(os.fsencode(path)) <= supervise.MAX_SOCKET_PATH_BYTES
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path == supervise.socket_path(run), "make status must find it again"
    path.parent.rmdir()


def test_a_stale_pid_file_is_not_taken_for_a_running_supervisor(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    (supervise.run_folder(tmp_path) / "supervisord.pid").write_text(str(os.getpid()))
    assert supervise.running_pid() is None


def test_a_second_start_with_the_same_data_is_refused(monkeypatch):
    monkeypatch.setattr(supervise, "running_pid", lambda: 4711)
    with pytest.raises(SystemExit, match=r"already running.*process 4711"):
        supervise.refuse_second_start()


@pytest.mark.skipif(not psutil.LINUX, reason="only /proc tells")
def test_a_signal_that_the_parent_is_handling_can_be_seen():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        assert signal.SIGUSR2 in supervise.blocked_signals(os.getpid())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_each_web_process_prints_into_a_file_of_its_own(settings):
    settings.WEB_PROCESSES, settings.LOG_DIR = 3, Path("/logs/100%")
    found = supervise.environment(console=False)
    assert found["SUPERVISE_WEB_PROCESSES"] == "3"
    files = [found["SUPERVISE_WEB_OUTPUT"] % {"process_num": n} for n in (1, 2, 3)]
    assert files == [f"/logs/100%/web-{n}.log" for n in (1, 2, 3)]


def test_every_variable_of_the_supervisor_s_file_is_set():
    names = set(supervise.environment(console=True))
    text = supervise.CONFIG.read_text()
    used = {part.split(")")[0] for part in text.split("%(ENV_")[1:]}
    assert used == names
