"""Children: lines of clean text out of any bytes, and ends that leave nothing."""

import itertools
import os
import pwd
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.runner.output.line_splitter import (
    LINE_LIMIT_BYTES,
    PROMPT_LOOKS,
    LineSplitter,
)
from tasks.runner.process import Child
from tasks.shim.client import ForkServer, Program
from tests.e2e.conftest import ROOT
from tests.waiting import wait_until


def cut(*chunks):
    splitter = LineSplitter()
    return [
        line for chunk in chunks for line in splitter.feed(chunk)
    ] + splitter.finish()


@pytest.fixture(scope="module")
def fork_server():
    fork_server = ForkServer()
    yield fork_server
    fork_server.close()


@pytest.fixture
def start(fork_server):
    """Starts programs, and sees that they are gone behind the test."""
    started = []

    def start(*argv, env=None, cwd="/", **options):
        env = {"PATH": os.environ["PATH"], **(env or {})}
        started.append(Child(fork_server, Program(argv, cwd, env, **options)))
        return started[-1]

    yield start
    for child in started:
        child.abandon()


def read(child, seconds=None):
    """What is readable now, or within a time: (stream, line), one after the other."""
    found = []
    for fd in select.select(child.open_pipes, [], [], seconds)[0]:
        stream, lines = child.read(fd)
        found += [(stream, line) for line in lines]
    return found


def finish(child):
    """Go on to the end; all that it printed meanwhile."""
    found = []
    while not child.is_over():
        found += read(child, 0.02)
        child.press_on()
    return found + [(stream, x) for stream, lines in child.rest() for x in lines]


@pytest.fixture
def run(start):
    """Runs a program to its end; its lines by stream, and its status."""

    def run(*argv, **options):
        child = start(*argv, **options)
        lines = {"stdout": [], "stderr": []}
        for stream, line in finish(child):
            lines[stream].append(line)
        return lines, child.status

    return run


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)),
    st.lists(st.integers(0, 200)),
)
def test_lines_do_not_depend_on_where_the_bytes_were_cut(lines, cuts):
    data = b"".join(line + b"\n" for line in lines)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pairs = itertools.pairwise(edges)
    assert cut(*(data[a:b] for a, b in pairs)) == cut(data)


@given(st.text(alphabet="aé版😀", max_size=50), st.integers(1, 7))
def test_a_character_split_between_two_reads_stays_whole(text, size):
    data = f"{text}\n".encode()
    assert cut(*(data[i : i + size] for i in range(0, len(data), size))) == [text]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r50%\r100%\n", ["100%"]),
        (b"10%\r50%\r\n", ["50%"]),
        (b"a\0b\n", ["a\ufffdb"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        (b"no newline", ["no newline"]),
        (b"", []),
    ],
)
def test_lines_are_clean(data, lines):
    assert cut(data) == lines
    assert cut(*(bytes([byte]) for byte in data)) == lines


def test_a_bar_redrawn_for_ever_takes_no_memory():
    splitter = LineSplitter()
    for percent in range(100_000):
        assert splitter.feed(b"%d%%\r" % percent) == []
    assert splitter.feed(b"done\n") == ["done"]


def test_a_line_over_the_limit_is_cut_and_says_how_long_it_was():
    for chunk in (1000, 65_536, 10_000_000):
        data = b"x" * 10_000_000 + b"\nnext\n"
        chunks = [data[i : i + chunk] for i in range(0, len(data), chunk)]
        first, second = cut(*chunks)
        assert first.startswith("x" * LINE_LIMIT_BYTES + " … ")
        assert "10,000,000 bytes" in first
        assert second == "next"


def test_a_cut_line_does_not_end_in_half_a_character():
    (line,) = cut("版".encode() * LINE_LIMIT_BYTES + b"\n")
    assert "\ufffd" not in line


def test_a_line_of_exactly_the_limit_is_whole():
    assert cut(b"x" * LINE_LIMIT_BYTES + b"\n") == ["x" * LINE_LIMIT_BYTES]


def test_stdout_and_stderr_are_told_apart(run):
    lines, status = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert lines == {"stdout": ["out"], "stderr": ["err"]}
    assert status == 3


def test_a_signal_is_a_negative_status(run):
    assert run("sh", "-c", "kill -KILL $$")[1] == -9


def test_what_a_program_used_is_told_with_its_end(start):
    child = start(sys.executable, "-c", "x = bytearray(64 * 2**20); sum(range(10**6))")
    finish(child)
    assert 64 * 2**20 < child.usage["maxRssBytes"] < 2**30
    assert 0 < child.usage["cpuSeconds"] < 60


def test_what_a_program_s_own_children_used_counts_as_its(start):
    script = "x = bytearray(64 * 2**20); sum(range(10**6))"
    child = start("sh", "-c", f'"{sys.executable}" -c "{script}"; exit 3')
    finish(child)
    assert child.usage["maxRssBytes"] > 64 * 2**20


def test_the_environment_is_exactly_the_one_given(run):
    lines, _ = run("env", env={"TASK_ID": "42"})
    assert sorted(lines["stdout"]) == [f"PATH={os.environ['PATH']}", "TASK_ID=42"]


def test_a_long_command_line_arrives_whole(run):
    words = [f"{n:0100000}" for n in range(10)]
    assert run("printf", "%s\\n", *words)[0]["stdout"] == [
        word[:LINE_LIMIT_BYTES] + " … [cut: the line has 100,000 bytes]"
        for word in words
    ]


@pytest.mark.parametrize(
    ("argv", "cwd", "says", "code"),
    [
        (["./nope"], "/", "./nope was not found.", 127),
        (["/etc/passwd"], "/", "/etc/passwd is not executable.", 126),
        (["true"], "/no/such/folder", "The folder /no/such/folder was not found.", 127),
        (["true"], "/etc/passwd", "/etc/passwd is not a folder.", 127),
        (["true", "a\0b"], "/", "true could not be started: embedded null byte.", 126),
        (["true", "x" * 3_000_000], "/", "Argument list too long", 126),
    ],
)
def test_a_program_that_cannot_start_says_why(start, argv, cwd, says, code):
    child = start(*argv, cwd=cwd)
    assert finish(child) == []
    assert says in str(child.refusal[0])
    assert child.refusal[1] == code


def test_a_file_without_a_first_line_for_the_system_says_so(start, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo no first line")
    script.chmod(0o755)
    child = start(str(script))
    finish(child)
    assert "could not be started: Exec format" in str(child.refusal[0])


def test_each_program_is_started_once(run):
    for number in range(100):
        assert run("echo", str(number))[0]["stdout"] == [str(number)]


# --- Another account ----------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@as_root
def test_a_program_runs_as_the_account_asked_for_with_its_home_and_groups(run):
    account = pwd.getpwnam("nobody")
    lines, _ = run("sh", "-c", "id -u; id -g; echo $HOME $USER", user="nobody")
    assert lines["stdout"] == [
        str(account.pw_uid),
        str(account.pw_gid),
        f"{account.pw_dir} nobody",
    ]


AS_NOBODY = """
import os
from tasks.shim.shim import NotRoot, Shim
if os.geteuid() == 0:
    os.setuid(65534)
shim = Shim.__new__(Shim)
shim.order = dict(env={}, user="root", own_env={}, argv=["true"], cwd="/")
try:
    shim._popen()
except NotRoot:
    print("refused")
"""


def test_only_root_can_run_a_program_as_somebody_else():
    command = [sys.executable, "-c", AS_NOBODY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


def test_an_account_that_is_not_there_is_named(start):
    child = start("true", user="no-such-account")
    finish(child)
    reason, status = child.refusal
    assert str(reason) == "There is no account no-such-account on this host."
    assert status == 126


# --- Ends that leave nothing --------------------------------------------------------


def wait_for_lines(child, count):
    """Return the first lines of a child, whose pid is known then, too."""
    seen = []
    while len(seen) < count or child.pid is None:
        seen += [line for _, line in read(child)]
    return seen


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Each prints the pid of a program that hides in another way and ignores SIGTERM, and
# then goes on as {then} says.
IGNORES = "trap '' TERM; echo $$; sleep 1000"
QUOTED = IGNORES.replace("''", '""')
HIDING = {
    "in its group": f"sh -c '{QUOTED}' & {{then}}",
    "in a session of its own": f"setsid sh -c '{QUOTED}' & {{then}}",
    "a daemon": f"(setsid sh -c '{QUOTED}' &); {{then}}",
    "a daemon without our pipes": f"""
        (setsid sh -c 'exec >$0.pid 2>&1; {QUOTED}' $0 &)
        until [ -s $0.pid ]; do sleep 0.01; done; cat $0.pid; {{then}}""",
    "a daemon's daemon": """
        (setsid sh -c '(setsid sh -c "echo \\$\\$; exec sleep 1000" &); sleep 1000' &)
        {then}""",
}


def hiding(how, then):
    return HIDING[how].replace("{then}", then)


@pytest.mark.parametrize("how", HIDING)
def test_a_stop_ends_also_what_hides(start, tmp_path, how):
    child = start("sh", "-c", hiding(how, "sleep 1000"), str(tmp_path / "x"))
    hidden = int(wait_for_lines(child, 1)[0])
    started = time.monotonic()
    child.stop(grace_seconds=0.3)
    finish(child)
    assert not is_alive(hidden)
    assert child.left == []
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("how", HIDING)
def test_what_a_program_leaves_behind_ends_soon_after_it(start, tmp_path, how):
    child = start("sh", "-c", hiding(how, "sleep 0.3"), str(tmp_path / "x"))
    hidden = int(wait_for_lines(child, 1)[0])
    finish(child)
    assert child.status == 0
    assert child.killed >= 1
    assert not is_alive(hidden)


def test_those_of_the_group_have_the_whole_grace_also_when_the_program_has_gone(start):
    script = (
        "import os,signal,time,sys\n"
        "def bye(*_): time.sleep(3); os.write(1, b'in order'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, bye); os.write(1, b'up\\n'); time.sleep(1000)"
    )
    child = start("sh", "-c", '"$0" -c "$1" & wait', sys.executable, script)
    wait_for_lines(child, 1)
    child.stop(grace_seconds=30)
    assert finish(child) == [("stdout", "in order")]


def test_a_daemon_is_not_waited_for_by_a_stop(start):
    child = start("sh", "-c", "setsid sleep 1000 & echo $!; exec sleep 1000")
    daemon = int(wait_for_lines(child, 1)[0])
    child.stop(grace_seconds=1000)
    finish(child)
    assert child.status == -signal.SIGTERM
    assert not is_alive(daemon)


def test_by_force_nobody_gets_any_grace(start):
    child = start("sh", "-c", "trap '' TERM; echo up; sleep 1000; sleep 1000")
    wait_for_lines(child, 1)
    child.stop(grace_seconds=1000)
    child.kill_now()
    finish(child)
    assert child.status == -signal.SIGKILL


# 64 processes, each of which is replaced by its child all the while.
FORKS = """
import os
print("up", flush=True)
for _ in range(6):
    os.fork()
while True:
    if os.fork():
        os._exit(0)
"""


def test_a_program_that_multiplies_is_ended_all_the_same(start):
    child = start(sys.executable, "-c", FORKS)
    wait_for_lines(child, 1)
    mark = child.pid
    child.kill_now()
    finish(child)
    assert child.left == []
    assert not [p for p in psutil.process_iter() if is_in(p, mark)]


SCRIPT = """
import sys
sys.path.insert(0, "{root}")
from tasks.shim import server
{changes}
server.main()
"""


@pytest.fixture
def changed_server(tmp_path, monkeypatch, caplog):
    """Makes a fork server whose process was changed; the log has what it says."""
    caplog.set_level("INFO", "tasks.shim.client")
    made = []

    def make(changes):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(root=ROOT, changes=changes))
        monkeypatch.setattr(ForkServer, "script", script)
        made.append(ForkServer())
        return made[-1]

    yield make
    for fork_server in made:
        fork_server.close()


def test_the_log_says_that_a_subreaper_holds_the_tree(caplog):
    caplog.set_level("INFO", "tasks.shim.client")
    ForkServer().close()
    assert "by a subreaper for each program" in caplog.text


def test_without_a_subreaper_the_log_says_what_outlives_a_cancel(
    changed_server, caplog
):
    changed_server("server.become_subreaper = lambda: False")
    assert "what leaves its group outlives a cancel" in caplog.text


def is_in(process, group):
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and os.getpgid(process.pid) == group
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def shims_of(fork_server):
    return psutil.Process(fork_server._process.pid).children()


def test_when_its_shim_is_killed_a_program_ends_with_all_that_is_its():
    fork_server = ForkServer()
    env = {"PATH": os.environ["PATH"]}
    text = hiding("a daemon", "sleep 1000")
    child = Child(fork_server, Program(["sh", "-c", text], "/", env))
    hidden = int(wait_for_lines(child, 1)[0])
    (shim,) = (p for p in shims_of(fork_server) if p.children())
    shim.kill()
    finish(child)
    assert child.status == -signal.SIGKILL
    wait_until(lambda: not is_alive(hidden) and not is_alive(child.pid), "them to go")
    fork_server.close()


def test_a_killed_fork_server_is_replaced_and_what_it_started_goes_on():
    fork_server = ForkServer()
    env = {"PATH": os.environ["PATH"]}
    first = Child(fork_server, Program(["sh", "-c", "echo up; sleep 1000"], "/", env))
    wait_for_lines(first, 1)
    fork_server._process.kill()
    fork_server._process.wait()
    second = Child(fork_server, Program(["echo", "here"], "/", env))
    assert finish(second) == [("stdout", "here")]
    assert is_alive(first.pid)
    first.stop(grace_seconds=10)
    finish(first)
    assert first.status == -signal.SIGTERM
    fork_server.close()


# --- Limits of the system -----------------------------------------------------------

NO_PROCESS_ONCE = """
import errno, os
fork, calls = os.fork, []
def fork_seldom():
    calls.append(1)
    if len(calls) in ({which}):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()
os.fork = fork_seldom
"""
ENV = {"PATH": os.environ["PATH"]}


@pytest.mark.parametrize("which", ["1,", "2,", "1, 2, 3", "2, 3"])
def test_a_fork_server_that_can_start_no_process_refuses_and_goes_on(
    changed_server, which
):
    fork_server = changed_server(NO_PROCESS_ONCE.replace("{which}", which))
    pid = fork_server._process.pid
    results = []
    for number in range(4):
        child = Child(fork_server, Program(["echo", str(number)], "/", ENV))
        results.append((finish(child), child.refusal))
    told = "echo could not be started: no more processes can be started"
    for number, (lines, refusal) in enumerate(results):
        assert lines == [("stdout", str(number))] or str(refusal[0]).startswith(told)
    assert results[-1][1] is None
    if which in {"1, 2, 3", "2, 3"}:
        assert any(refusal for _, refusal in results)
    assert fork_server._process.poll() is None
    assert fork_server._process.pid == pid


@pytest.mark.parametrize("number", ["EAGAIN", "ENOMEM"])
def test_a_program_that_cannot_be_forked_is_refused_with_the_reason(
    changed_server, number
):
    fork_server = changed_server(
        f"""
import errno, os
def refuse(*_, **__):
    raise OSError(errno.{number}, os.strerror(errno.{number}))
import subprocess
subprocess.Popen = refuse
"""
    )
    child = Child(fork_server, Program(["echo"], "/", ENV))
    assert finish(child) == []
    assert str(child.refusal[0]).startswith("echo could not be started: ")
    assert child.refusal[1] == 126


def test_an_order_whose_files_do_not_come_through_is_refused(changed_server):
    fork_server = changed_server(
        """
receive = server.receive
def receive_less(connection):
    message, fds = receive(connection)
    for fd in fds[1:]:
        os.close(fd)
    return message, fds[:1]
if True:
    import os
    server.receive = receive_less
"""
    )
    child = Child(fork_server, Program(["echo"], "/", ENV))
    assert finish(child) == []
    assert "no more files can be opened" in str(child.refusal[0])
    assert fork_server._process.poll() is None


def open_files():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_what_could_not_be_opened_leaves_nothing_open():
    fork_server = ForkServer()
    before = open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, before))
    for room in range(1, 9):
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + room, hard))
        try:
            with suppress(OSError):
                finish(Child(fork_server, Program(["true"], "/", ENV)))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files() == before
    assert finish(Child(fork_server, Program(["echo", "up"], "/", ENV)))
    fork_server.close()


def test_a_fork_server_that_dies_while_it_starts_is_started_once_more(
    tmp_path, monkeypatch
):
    script = tmp_path / "script.py"
    mark = tmp_path / "tried"
    script.write_text(
        f"import os, sys\nif not os.path.exists({str(mark)!r}):\n"
        f"    open({str(mark)!r}, 'w').close()\n    sys.exit(3)\n"
        + SCRIPT.format(root=ROOT, changes="")
    )
    monkeypatch.setattr(ForkServer, "script", script)
    fork_server = ForkServer()
    assert finish(Child(fork_server, Program(["echo", "up"], "/", ENV))) == [
        ("stdout", "up")
    ]
    fork_server.close()


def test_a_fork_server_that_never_starts_is_an_error_of_that_program_alone(
    tmp_path, monkeypatch
):
    fork_server = ForkServer()
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(3)")
    fork_server._process.kill()
    fork_server._process.wait()
    with monkeypatch.context() as patch:
        patch.setattr(ForkServer, "script", script)
        with pytest.raises(ChildProcessError):
            Child(fork_server, Program(["echo"], "/", ENV))
    assert finish(Child(fork_server, Program(["echo", "up"], "/", ENV))) == [
        ("stdout", "up")
    ]
    fork_server.close()


def oom_score_of(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has scores")
def test_programs_are_ended_before_the_service_when_memory_runs_out(start, fork_server):
    child = start("sh", "-c", "cat /proc/self/oom_score_adj; exec sleep 1000")
    (own,) = wait_for_lines(child, 1)
    service = oom_score_of("self")
    assert int(own) == oom_score_of(child.pid) == min(1000, service + 500)
    for pid in (fork_server._process.pid, psutil.Process(child.pid).ppid()):
        assert oom_score_of(pid) == service


MEMORY_RAN_OUT = """
counts = iter([7, 8])
from tasks.shim import shim
shim.oom_kills = lambda: next(counts)
"""


@pytest.mark.parametrize("ending", ["kill -KILL $$", "exit 137"])
def test_what_the_kernel_ended_when_memory_ran_out_says_so(changed_server, ending):
    fork_server = changed_server(MEMORY_RAN_OUT)
    child = Child(fork_server, Program(["sh", "-c", ending], "/", ENV))
    finish(child)
    assert str(child.why).startswith("Probably out of memory; the kernel killed")


@pytest.mark.parametrize("ending", ["kill -KILL $$", "exit 137"])
def test_what_somebody_else_killed_says_nothing_of_memory(start, ending):
    child = start("sh", "-c", ending)
    finish(child)
    assert child.why is None


def test_what_was_killed_on_demand_says_nothing_of_memory(changed_server):
    fork_server = changed_server(MEMORY_RAN_OUT)
    child = Child(fork_server, Program(["sh", "-c", "echo up; sleep 1000"], "/", ENV))
    wait_for_lines(child, 1)
    child.kill_now()
    finish(child)
    assert child.why is None


STARTER = """
import os, sys
from tasks.runner.process import Child
from tasks.shim.client import ForkServer, Program
child = Child(ForkServer(), Program(["sh", "-c", sys.argv[1]], "/", dict(os.environ)))
while not (lines := child.read(child.open_pipes[0])[1]):
    pass
print(*lines, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", HIDING)
def test_when_its_runner_is_killed_nothing_is_left(tmp_path, how):
    text = hiding(how, "sleep 1000").replace("$0", str(tmp_path / "x"))
    runner = subprocess.Popen(
        [sys.executable, "-c", STARTER, text],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    hidden = int(runner.stdout.readline())
    runner.kill()
    runner.communicate()
    wait_until(lambda: not is_alive(hidden), "the hidden one to go", seconds=5)


# --- A terminal ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "rows_and_columns"),
    [({}, "30 120"), ({"columns": 200, "rows": 50}, "50 200")],
)
def test_a_terminal_has_a_size(run, size, rows_and_columns):
    lines, _ = run("sh", "-c", "stty size <&1", pty=True, **size)
    assert lines["stdout"] == [rows_and_columns]


def test_with_a_terminal_programs_do_not_hold_back_their_output(start):
    script = "import time; print('now'); time.sleep(1000)"
    child = start(sys.executable, "-c", script, pty=True)
    assert wait_for_lines(child, 1) == ["now"]
    child.kill_now()
    finish(child)


def test_a_terminal_changes_nothing_of_the_output_and_loses_nothing(run):
    lines, status = run("seq", "100000", pty=True)
    assert status == 0
    assert lines["stdout"] == [str(n) for n in range(1, 100_001)]
    assert run("sh", "-c", "test -t 1 && printf 'no end'", pty=True)[0]["stdout"] == [
        "no end"
    ]


# --- Unfinished lines ---------------------------------------------------------------


def shown(child, may_show=lambda text: True):
    """Wait for the next unfinished line."""
    while not (found := child.prompts(may_show)):
        read(child, 0.02)
    return found


def test_a_question_is_shown_while_it_stands(start):
    child = start("sh", "-c", "printf 'Password: '; sleep 1000")
    assert shown(child) == [("stdout", "Password: ")]
    child.kill_now()
    assert finish(child) == []


def test_what_follows_on_a_shown_line_is_a_line_of_its_own(start, tmp_path):
    go = tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.01; done"
    child = start("sh", "-c", f"printf 'Sure? '; {wait}; echo yes; echo next")
    shown(child)
    go.touch()
    assert finish(child) == [("stdout", "yes"), ("stdout", "next")]


def test_the_end_of_a_line_that_was_shown_whole_is_no_empty_line(start, tmp_path):
    go = tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.01; done"
    child = start("sh", "-c", f"printf 'working'; {wait}; echo; echo; echo done")
    shown(child)
    go.touch()
    assert finish(child) == [("stdout", ""), ("stdout", "done")]


def anything(text):
    return True


def looks_until_shown(splitter):
    """How often the splitter has to be looked at, and what it shows then."""
    for looks in range(1, 100):
        if shown_lines := splitter.prompt(anything):
            return looks, shown_lines
    raise AssertionError("it is never shown")


def test_a_row_of_dots_is_waited_for_longer_each_time():
    splitter = LineSplitter()
    patience = []
    for _ in range(4):
        splitter.feed(b".")
        pause = splitter.look_at - splitter._looked_at
        looks, lines = looks_until_shown(splitter)
        assert lines == ["."]
        patience.append(looks * pause)
    assert patience == pytest.approx([0.7, 1.4, 2.8, 5.6])


def test_a_shown_line_never_ends_in_half_a_character():
    splitter = LineSplitter()
    splitter.feed("版".encode() + "本".encode()[:2])
    assert looks_until_shown(splitter)[1] == ["版"]
    assert splitter.feed("本".encode()[2:] + b"\n") == ["本"]


def test_the_end_of_a_shown_line_may_come_in_two_parts():
    splitter = LineSplitter()
    splitter.feed(b"Sure?\r")
    assert looks_until_shown(splitter)[1] == ["Sure?"]
    assert splitter.feed(b"\nyes\n") == ["yes"]


# Half a line, the rest when a file is there, and a file when that is written.
IN_TWO_PARTS = """
import os, sys, time
os.write(1, "half a line: 版".encode()[:-1])
while not os.path.exists(sys.argv[1] + ".go"):
    time.sleep(0.01)
os.write(1, "版本\\r\\nnext\\n".encode()[2:])
open(sys.argv[1] + ".written", "w").close()
time.sleep(1000)
"""
A_LONG_PAUSE = 100.0


def sleep_through(child, seconds=A_LONG_PAUSE):
    """As if nobody had looked for so long, or all had been stopped."""
    for _, splitter in child._pipes.values():
        splitter._looked_at -= seconds


@pytest.mark.parametrize("pty", [False, True])
def test_what_came_while_nobody_looked_is_no_silence(start, tmp_path, pty):
    path = tmp_path / "x"
    child = start(sys.executable, "-c", IN_TWO_PARTS, str(path), pty=pty)
    while not child.unfinished(child.open_pipes[0]):
        read(child)
    path.with_suffix(".go").touch()
    wait_until(path.with_suffix(".written").exists, "the rest to be written")
    wait_until(child.has_more, "the rest to have come")
    for _ in range(20):
        sleep_through(child)
        assert child.prompts(anything) == []
    assert wait_for_lines(child, 2) == ["half a line: 版本", "next"]


@pytest.mark.parametrize("pty", [False, True])
def test_a_pause_of_everything_is_one_look_however_long_it_was(start, tmp_path, pty):
    path = tmp_path / "x"
    child = start(sys.executable, "-c", IN_TWO_PARTS, str(path), pty=pty)
    while not child.unfinished(child.open_pipes[0]):
        read(child)
    for _ in range(PROMPT_LOOKS - 1):
        sleep_through(child)
        assert child.prompts(anything) == []
    path.with_suffix(".go").touch()
    assert wait_for_lines(child, 2) == ["half a line: 版本", "next"]


def test_a_terminal_is_read_to_its_end_also_by_somebody_who_comes_late(start):
    count = 2_000  # 9 KB: a terminal holds some 14, and gives 4 at a time
    child = start("seq", str(count), pty=True)
    while child.open_news:
        select.select(child.open_news, [], [])
        child.read(*child.open_news)
    child._exited_at -= A_LONG_PAUSE
    assert child.is_over()
    lines = [line for _, some in child.rest() for line in some]
    assert lines == [str(number) for number in range(1, count + 1)]


def test_a_workflow_command_is_not_shown_by_halves():
    splitter = LineSplitter()
    splitter.feed(b"::progress::4")
    assert splitter.look_at is None
    assert splitter.feed(b"0\n") == ["::progress::40"]
