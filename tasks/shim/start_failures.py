"""Diagnosis of a program that could not be started, in one sentence.

``execve(2)`` says "not found" of a script whose interpreter is missing, and "Exec
format error" of a file that was made on Windows or for another processor. People look
for the wrong thing then, so the file itself is looked at here. Plain Python, without
Django: it is asked by the process that starts programs (``tasks.shim.server``).
"""

import errno
import os
import shutil
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # what a shell would exit with
HEAD_BYTES = 4096
# https://man7.org/linux/man-pages/man2/execve.2.html: the first line, with its "#!"
LONGEST_FIRST_LINE = 255
MOST_INTERPRETERS = 5  # one that is a script itself, and so on
UTF8_BOM, UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
ELF, PT_INTERP = b"\x7fELF", 3
# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
MACHINES = {
    3: "x86", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64",
    183: "aarch64", 243: "riscv", 258: "loongarch",
}  # fmt: skip
OTHER_SYSTEMS = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
}
LIMITS = {
    errno.EAGAIN: "no more processes can be started (ulimit -u, pids.max)",
    errno.ENOMEM: "there is not enough memory",
    errno.ENOSPC: "no more terminals can be opened (kernel.pty.max)",
    errno.EMFILE: "no more files can be opened (ulimit -n)",
    errno.ENFILE: "the whole system can't open more files (fs.file-max)",
}


class Ordered(NamedTuple):
    """What was to be started: ``argv``, in the folder ``cwd``, with ``env``, by the
    account ``user`` (None: the runner's)."""

    argv: list[str]
    cwd: str
    env: Mapping[str, str]
    user: str | None = None

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> "Ordered":
        return cls(*(order[name] for name in cls._fields))

    @property
    def file(self) -> str | None:
        """Return where the program lies, or None where it lies nowhere."""
        program = self.argv[0]
        if "/" in program:
            path = os.path.join(self.cwd, program)
            return path if os.path.lexists(path) else None
        return self.which(program)

    def which(self, name: str) -> str | None:
        path = self.env.get("PATH", os.defpath)
        # Also what is there without being executable: it is named by that.
        return shutil.which(name, path=path) or shutil.which(name, os.F_OK, path)


def reason_of(error: OSError, ordered: Ordered) -> tuple[str, int]:
    """Return one sentence on why a program was not started, and the exit code."""
    program, cwd = ordered.argv[0], ordered.cwd
    if error.filename == cwd:
        if error.errno == errno.ENOENT:
            return f"The folder {cwd} was not found.", NOT_FOUND
        if error.errno == errno.ENOTDIR:
            return f"{cwd} is not a folder.", NOT_FOUND
        return f"The folder {cwd} can't be entered: {error.strerror}.", NOT_EXECUTABLE
    if error.errno in LIMITS:
        return limit_met(program, error), NOT_EXECUTABLE
    code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    with suppress(OSError):  # it is in a folder that can't be looked into
        if (file := ordered.file) and (fault := fault_of(file, program)):
            return fault, code
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"{program} was not found.", NOT_FOUND
    if error.errno == errno.EACCES:
        by_whom = f" by {ordered.user}" if ordered.user else ""
        return f"{program} is not executable{by_whom}.", code
    return f"{program} could not be started: {error.strerror}.", code


def limit_met(program: str, error: OSError) -> str:
    """Return which limit of the system's kept a program from being started."""
    cause = LIMITS.get(error.errno or 0, error.strerror)
    return f"{program} could not be started: {cause}."


def reason_of_exit(ordered: Ordered) -> str | None:
    """Return why a script that exited with 126 or 127 may have done so: its first line
    asks /usr/bin/env for a program that is not there. None where that is not so."""
    if not (file := ordered.file) or not (line := first_line(head_of(file))):
        return None
    env, _, name = line.partition(" ")
    if os.path.basename(env) != "env":
        return None
    program = ordered.argv[0]
    if name.startswith("-S"):
        words = name[2:].split()
        names = [word for word in words if word[0] != "-" and "=" not in word]
        name = names[0] if names else ""
    elif name.endswith("\r"):
        return carriage_return(program, name.rstrip("\r"))
    if not name or ordered.which(name):
        return None
    return f"{program} asks for {name}, which was not found in PATH."


def fault_of(file: str, name: str, depth: int = 0) -> str | None:
    """Return what is wrong with a file that is to be executed, or None."""
    path = Path(file)
    if not path.exists():  # a link that leads nowhere
        return f"{name} leads to {os.path.realpath(file)}, which was not found."
    if path.is_dir():
        return f"{name} is a folder."
    if not path.stat().st_mode & 0o111:
        return f"{name} is not executable."
    if os.statvfs(file).f_flag & os.ST_NOEXEC:
        return f"{name} lies on a disk from which nothing may be executed (noexec)."
    head = head_of(file)
    if not path.stat().st_size:
        return f"{name} is empty."
    if head.startswith(ELF):
        return _fault_of_binary(head, name)
    for magic, system in OTHER_SYSTEMS.items():
        if head.startswith(magic):
            return f"{name} is a program for {system}."
    return _fault_of_script(head, name, depth)


def _fault_of_script(head: bytes, name: str, depth: int) -> str | None:
    if head.startswith(UTF8_BOM):
        return f"{name} begins with a byte order mark (BOM): save it without."
    if head.startswith(UTF16_BOMS):
        return f"{name} is UTF-16: save it as UTF-8."
    line = first_line(head)
    if line is None:
        return (
            f"{name} could not be started: Exec format error; it has no first line "
            "that names its interpreter, such as #!/bin/sh."
        )
    words = line.split()
    if not words:
        return f"{name} has a first line that names no interpreter."
    interpreter = words[0]
    if len(interpreter) + 2 > LONGEST_FIRST_LINE:
        return f"{name} has a first line of more than {LONGEST_FIRST_LINE} bytes."
    if line.endswith("\r") and len(words) == 1:
        return carriage_return(name, interpreter)
    if not os.path.lexists(interpreter):
        return f"{name} asks for {interpreter}, which was not found."
    if depth >= MOST_INTERPRETERS:
        return f"{name} asks for too many interpreters in each other."
    fault = fault_of(interpreter, interpreter, depth + 1)
    return f"{name} asks for {interpreter}: {fault}" if fault else None


def carriage_return(name: str, interpreter: str) -> str:
    return (
        f"{name} has Windows line ends (CR LF), so the system looks for {interpreter} "
        "with a carriage return behind it: save it with LF."
    )


def first_line(head: bytes) -> str | None:
    """Return what stands behind the "#!" of a script, or None where there is none."""
    if not head.startswith(b"#!"):
        return None
    return head[2:].partition(b"\n")[0].decode("utf-8", "replace").lstrip(" \t")


def head_of(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(HEAD_BYTES)
    except OSError:
        return b""


def _fault_of_binary(head: bytes, name: str) -> str | None:
    try:
        order = "<" if head[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{order}H", head, 18)
        loader = _loader(head, order)
    except (IndexError, struct.error):
        return f"{name} is broken: it ends within its header."
    here = os.uname().machine
    made_for = MACHINES.get(machine, f"machine {machine}")
    is_32_bit_of_here = (made_for, here) in {("x86", "x86_64"), ("arm", "aarch64")}
    if not here.startswith(made_for) and not is_32_bit_of_here:
        return f"{name} is a program for {made_for}; this machine is {here}."
    if loader and not os.path.exists(loader):
        return f"{name} asks for {loader}, which was not found."
    return None


def _loader(head: bytes, order: str) -> str | None:
    """Return the dynamic loader that an ELF file asks for."""
    is_64 = head[4] == 2
    at, entry = (32, "IIQQQQ") if is_64 else (28, "IIIII")
    (table,) = struct.unpack_from(f"{order}{'Q' if is_64 else 'I'}", head, at)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if is_64 else 42)
    for index in range(count):
        fields: tuple[Any, ...] = struct.unpack_from(
            f"{order}{entry}", head, table + index * size
        )
        if fields[0] == PT_INTERP:
            start, length = (fields[2], fields[5]) if is_64 else (fields[1], fields[4])
            return head[start : start + length].rstrip(b"\0").decode() or None
    return None
