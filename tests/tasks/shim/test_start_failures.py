"""Programs that can't start: the reason names what is wrong."""

import errno
import os
import platform
import shutil
import struct
import subprocess
import sys

import pytest

from tasks.shim.start_failures import Ordered, reason_of, reason_of_exit

BIN_ENV = b"#!/usr/bin/env "
HERE = platform.machine()


def failure(file, *arguments, cwd="/", env=None, user=None):
    """What is said of a program that the system does not start."""
    argv = [str(file), *arguments]
    env = env or {"PATH": os.environ["PATH"]}
    with pytest.raises(OSError) as error:  # noqa: PT011 (whichever it is)
        subprocess.run(argv, cwd=cwd, env=env, check=False)
    reason, code = reason_of(error.value, Ordered(argv, str(cwd), env, user))
    return str(reason), code


@pytest.fixture
def file(tmp_path):
    def make(content, mode=0o755):
        path = tmp_path / "tool"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return make


def elf(machine, loader=b""):
    """The beginning of a program, as far as the system looks at it."""
    start = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    entry = struct.pack("<IIQQQQQQ", 3, 4, 120, 120, 120, len(loader), len(loader), 1)
    return start + head + entry + loader + bytes(4096)


OTHER_MACHINE = 183 if HERE == "x86_64" else 62
THIS_MACHINE = 62 if HERE == "x86_64" else 183


@pytest.mark.parametrize(
    ("content", "says", "code"),
    [
        (b"#!/no/such/interpreter -x\n", "asks for /no/such/interpreter, which", 127),
        (b"#! /no/such/one", "asks for /no/such/one, which was not found.", 127),
        (b"#!/bin/sh\r\necho hi\r\n", "has Windows line ends (CR LF)", 127),
        (b"\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark (BOM)", 126),
        ("#!/bin/sh\n".encode("utf-16"), "is UTF-16: save it as UTF-8.", 126),
        (b"echo no first line\n", "no first line that names its interpreter", 126),
        (b"#!\necho\n", "names no interpreter", 126),
        (b"#!" + b"/x" * 200 + b"\n", "a first line of more than 255 bytes", 126),
        (b"#!/etc/passwd\n", "asks for /etc/passwd: /etc/passwd is not exec", 126),
        (b"#!/tmp\n", "asks for /tmp: /tmp is a folder.", 126),
        (b"MZ\x90\0", "is a program for Windows.", 126),
        (b"\xcf\xfa\xed\xfe\7\0\0\1", "is a program for macOS.", 126),
        (elf(OTHER_MACHINE), f"; this machine is {HERE}.", 126),
        (elf(THIS_MACHINE, b"/lib/no-such-loader.so\0"), "/lib/no-such-loader.so", 127),
        (b"\x7fELF\2\1", "is broken: it ends within its header.", 126),
    ],
)
def test_what_is_wrong_with_a_file_is_named(file, content, says, code):
    path = file(content)
    sentence, status = failure(path)
    assert says in sentence
    assert sentence.startswith(str(path))
    assert status == code


def test_a_file_that_may_not_be_executed_is_told_from_one_that_is_not_there(file):
    path = file(b"#!/bin/sh\n", mode=0o644)
    assert failure(path) == (f"{path} is not executable.", 126)
    assert failure(path.parent) == (f"{path.parent} is a folder.", 126)
    assert failure("/no/such/tool") == ("/no/such/tool was not found.", 127)
    assert failure("no-such-tool") == ("no-such-tool was not found.", 127)
    assert failure(f"{path}/tool") == (f"{path}/tool was not found.", 127)


def test_a_program_of_the_working_folder_is_looked_for_there(file):
    path = file(b"#!/no/such/interpreter\n")
    sentence, _ = failure(f"./{path.name}", cwd=path.parent)
    assert sentence == "./tool asks for /no/such/interpreter, which was not found."


def test_a_program_of_the_path_is_looked_for_there(file):
    path = file(b"#!/no/such/interpreter\n")
    sentence, _ = failure(path.name, env={"PATH": str(path.parent)})
    assert sentence == "tool asks for /no/such/interpreter, which was not found."


def test_a_link_that_leads_nowhere_says_where(tmp_path):
    link = tmp_path / "tool"
    link.symlink_to(tmp_path / "gone")
    sentence, status = failure(link)
    assert sentence == f"{link} leads to {tmp_path}/gone, which was not found."
    assert status == 127


def test_an_interpreter_that_is_a_script_is_looked_into(file, tmp_path):
    inner = tmp_path / "inner"
    inner.write_bytes(b"#!/bin/sh\r\n")
    inner.chmod(0o755)
    sentence, _ = failure(file(f"#!{inner}\n".encode()))
    assert f"asks for {inner}: {inner} has Windows line ends" in sentence


def test_who_may_not_execute_it_is_named():
    error = PermissionError(errno.EACCES, "Permission denied", "/bin/sh")
    reason, code = reason_of(error, Ordered(["/bin/sh"], "/", {}, "ci"))
    assert (str(reason), code) == ("/bin/sh is not executable by ci.", 126)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EAGAIN, "no more processes can be started (ulimit -u, pids.max)"),
        (errno.ENOMEM, "there is not enough memory"),
        (errno.EMFILE, "no more files can be opened (ulimit -n)"),
        (errno.ENFILE, "the whole system can't open more files (fs.file-max)"),
    ],
)
def test_a_limit_of_the_system_is_named(number, says):
    error = OSError(number, os.strerror(number))
    reason, code = reason_of(error, Ordered(["tool"], "/", {}))
    assert (str(reason), code) == (f"tool could not be started: {says}.", 126)


def test_a_disk_from_which_nothing_may_be_executed_is_named(file):
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root and Linux, to mount one")
    path = file(b"#!/bin/sh\n")
    folder = path.parent / "mounted"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "noexec", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        there = shutil.copy(path, folder)
        sentence, code = failure(there)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert sentence.endswith("from which nothing may be executed (noexec).")
    assert code == 126


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (b"no-such-python\n", "asks for no-such-python, which was not found in PATH."),
        (b"-S no-such-python -u\n", "asks for no-such-python, which was not found"),
        (b"sh -e\n", "asks for sh -e, which was not found in PATH."),
        (b"-S A=1 no-such-python\n", "asks for no-such-python, which was not found"),
        (b"sh\r\n", "has Windows line ends (CR LF), so the system looks for sh with"),
    ],
)
def test_why_a_script_of_env_s_ended_at_once_is_named(file, first, says):
    path = file(BIN_ENV + first)
    done = subprocess.run([path], check=False, capture_output=True)
    assert done.returncode == 127
    env = {"PATH": os.environ["PATH"]}
    reason = reason_of_exit(Ordered([str(path)], "/", env))
    assert says in str(reason)


@pytest.mark.parametrize("content", [BIN_ENV + b"sh\n", b"#!/bin/sh\n", b"", b"MZ"])
def test_of_what_ended_by_itself_nothing_is_said(file, content):
    env = {"PATH": os.environ["PATH"]}
    assert reason_of_exit(Ordered([str(file(content))], "/", env)) is None
    assert reason_of_exit(Ordered(["no-such-tool"], "/", env)) is None
