"""Diagnosis of a program that could not be started: the one reason why.

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

from tasks.reasons import Reason

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
    errno.EAGAIN: "process-limit",
    errno.ENOMEM: "memory-limit",
    errno.ENOSPC: "terminal-limit",
    errno.EMFILE: "open-files-limit",
    errno.ENFILE: "system-open-files-limit",
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


def reason_of(error: OSError, ordered: Ordered) -> tuple[Reason, int]:
    """Return why a program was not started, and the exit code."""
    program, cwd = ordered.argv[0], ordered.cwd
    if error.filename == cwd:
        if error.errno == errno.ENOENT:
            return Reason("folder-not-found", path=cwd), NOT_FOUND
        if error.errno == errno.ENOTDIR:
            return Reason("not-a-folder", path=cwd), NOT_FOUND
        cause = error.strerror or ""
        return Reason("folder-not-entered", path=cwd, cause=cause), NOT_EXECUTABLE
    if error.errno in LIMITS:
        return limit_met(program, error), NOT_EXECUTABLE
    code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
    with suppress(OSError):  # it is in a folder that can't be looked into
        if (file := ordered.file) and (fault := fault_of(file, program)):
            return fault, code
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return Reason("program-not-found", path=program), NOT_FOUND
    if error.errno == errno.EACCES:
        by_whom = {"user": ordered.user} if ordered.user else {}
        return Reason("not-executable", path=program, **by_whom), code
    cause = error.strerror or ""
    return Reason("program-not-started", path=program, cause=cause), code


def limit_met(program: str, error: OSError) -> Reason:
    """Return which limit of the system's kept a program from being started."""
    limit = LIMITS.get(error.errno or 0)
    cause = Reason(limit) if limit else error.strerror or ""
    return Reason("program-not-started", path=program, cause=cause)


def reason_of_exit(ordered: Ordered) -> Reason | None:
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
    return Reason("interpreter-not-in-path", path=program, program=name)


def fault_of(file: str, name: str, depth: int = 0) -> Reason | None:
    """Return what is wrong with a file that is to be executed, or None."""
    path = Path(file)
    if not path.exists():  # a link that leads nowhere
        return Reason("link-leads-nowhere", path=name, target=os.path.realpath(file))
    if path.is_dir():
        return Reason("is-a-folder", path=name)
    if not path.stat().st_mode & 0o111:
        return Reason("not-executable", path=name)
    if os.statvfs(file).f_flag & os.ST_NOEXEC:
        return Reason("disk-without-programs", path=name)
    head = head_of(file)
    if not path.stat().st_size:
        return Reason("empty-file", path=name)
    if head.startswith(ELF):
        return _fault_of_binary(head, name)
    for magic, system in OTHER_SYSTEMS.items():
        if head.startswith(magic):
            return Reason("other-machine", path=name, madeFor=system)
    return _fault_of_script(head, name, depth)


def _fault_of_script(head: bytes, name: str, depth: int) -> Reason | None:
    if head.startswith(UTF8_BOM):
        return Reason("byte-order-mark", path=name)
    if head.startswith(UTF16_BOMS):
        return Reason("utf-16", path=name)
    line = first_line(head)
    if line is None:
        return Reason("no-first-line", path=name)
    words = line.split()
    if not words:
        return Reason("no-interpreter", path=name)
    interpreter = words[0]
    if len(interpreter) + 2 > LONGEST_FIRST_LINE:
        return Reason("first-line-too-long", path=name, limit=LONGEST_FIRST_LINE)
    if line.endswith("\r") and len(words) == 1:
        return carriage_return(name, interpreter)
    if not os.path.lexists(interpreter):
        return Reason("interpreter-not-found", path=name, program=interpreter)
    if depth >= MOST_INTERPRETERS:
        return Reason("too-many-interpreters", path=name)
    fault = fault_of(interpreter, interpreter, depth + 1)
    if fault is None:
        return None
    return Reason("interpreter-broken", path=name, program=interpreter, reason=fault)


def carriage_return(name: str, interpreter: str) -> Reason:
    return Reason("windows-line-ends", path=name, program=interpreter)


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


def _fault_of_binary(head: bytes, name: str) -> Reason | None:
    try:
        order = "<" if head[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{order}H", head, 18)
        loader = _loader(head, order)
    except (IndexError, struct.error):
        return Reason("broken-header", path=name)
    here = os.uname().machine
    made_for = MACHINES.get(machine, f"machine {machine}")
    is_32_bit_of_here = (made_for, here) in {("x86", "x86_64"), ("arm", "aarch64")}
    if not here.startswith(made_for) and not is_32_bit_of_here:
        return Reason("other-machine", path=name, madeFor=made_for, here=here)
    if loader and not os.path.exists(loader):
        return Reason("interpreter-not-found", path=name, program=loader)
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
