"""Children: lines of clean text out of any bytes, and ends that leave nothing."""

import itertools
import os
import re
import select
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.child import LINE_LIMIT_BYTES, Child, ChildNotStarted, LineCutter


def cut(*chunks):
    cutter = LineCutter()
    return [line for chunk in chunks for line in cutter.feed(chunk)] + cutter.finish()


def run(*argv, **options):
    """Run a program to its end; its lines by stream, and its status."""
    child = start(*argv, **options)
    lines = {"stdout": [], "stderr": []}
    while not child.is_over():
        for fd in select.select(child.open_pipes, [], [], 0.02)[0]:
            stream, more = child.read(fd)
            lines[stream] += more
        child.press_on()
    status, last = child.bury()
    for stream, more in last:
        lines[stream] += more
    return lines, status


def start(*argv, env=None, cwd="/"):
    return Child(argv, cwd=cwd, env={"PATH": os.environ["PATH"], **(env or {})})


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
    cutter = LineCutter()
    for percent in range(100_000):
        assert cutter.feed(b"%d%%\r" % percent) == []
    assert cutter.feed(b"done\n") == ["done"]


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


def test_stdout_and_stderr_are_told_apart():
    lines, status = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert lines == {"stdout": ["out"], "stderr": ["err"]}
    assert status == 3


def test_a_signal_is_a_negative_status():
    assert run("sh", "-c", "kill -KILL $$")[1] == -9


def test_the_environment_is_exactly_the_one_given():
    lines, _ = run("env", env={"TASK_ID": "42"})
    assert sorted(lines["stdout"]) == [f"PATH={os.environ['PATH']}", "TASK_ID=42"]


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
def test_a_program_that_cannot_start_says_why(argv, cwd, says, code):
    with pytest.raises(ChildNotStarted, match=re.escape(says)) as error:
        start(*argv, cwd=cwd)
    assert error.value.exit_code == code


def test_a_file_without_a_first_line_for_the_system_says_so(tmp_path):
    script = tmp_path / "script"
    script.write_text("echo no first line")
    script.chmod(0o755)
    with pytest.raises(ChildNotStarted, match="could not be started: Exec format"):
        start(str(script))


def group_of(child):
    return [p for p in psutil.process_iter() if is_in(p, child.pid)]


def is_in(process, group):
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and os.getpgid(process.pid) == group
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def wait_for_line(child, wanted):
    seen = []
    while wanted not in seen:
        for fd in select.select(child.open_pipes, [], [])[0]:
            seen += child.read(fd)[1]


def test_stop_ends_the_whole_group_and_kills_what_ignores_it():
    child = start("sh", "-c", "trap '' TERM; sh -c 'sleep 1000' & echo up; sleep 1000")
    wait_for_line(child, "up")
    child.stop(grace_seconds=0.2)
    while not child.is_over():
        child.press_on()
        for fd in select.select(child.open_pipes, [], [], 0.02)[0]:
            child.read(fd)
    assert child.bury()[0] == -9
    assert not group_of(child)


def test_what_a_program_left_in_its_group_goes_with_it():
    child = start("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo up")
    wait_for_line(child, "up")
    while not child.is_over():
        for fd in select.select(child.open_pipes, [], [], 0.02)[0]:
            child.read(fd)
    assert child.bury()[0] == 0
    assert not group_of(child)


def test_a_pipe_held_by_a_daemon_delays_the_end_for_a_bounded_time():
    started = time.monotonic()
    child = start("sh", "-c", "setsid sleep 1000 & echo $!")
    lines = []
    while not child.is_over():
        for fd in select.select(child.open_pipes, [], [], 0.05)[0]:
            lines += child.read(fd)[1]
    assert child.bury()[0] == 0
    assert time.monotonic() - started < 20
    psutil.Process(int(lines[0])).kill()
