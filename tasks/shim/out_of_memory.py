"""What happens to programs when the machine's memory runs out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OOM_SCORE = 500  # by how much a program is likelier to be ended when memory runs out
MOST_OOM_SCORE = 1000
# By SIGKILL, itself or what it waited for, as shells tell it.
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}


@contextmanager
def easier_to_kill() -> Iterator[None]:
    """Let what is started meanwhile be ended before the service when memory runs out.
    https://docs.kernel.org/filesystems/proc.html, oom_score_adj"""
    path = "/proc/self/oom_score_adj"
    own = ""
    with suppress(OSError, ValueError):
        with open(path) as file:
            own = file.read().strip()
        with open(path, "w") as file:
            file.write(str(min(MOST_OOM_SCORE, int(own) + OOM_SCORE)))
    try:
        yield
    finally:
        with suppress(OSError), open(path, "w") as file:
            file.write(own)


def oom_kills() -> int:
    """Return how many processes the kernel has killed because memory ran out, in this
    cgroup and below where that is told, else in the whole system."""
    with suppress(OSError, StopIteration, IndexError, ValueError):
        return number_in(f"{own_cgroup()}/memory.events", "oom_kill")
    with suppress(OSError, StopIteration, IndexError, ValueError):
        return number_in("/proc/vmstat", "oom_kill")
    return 0


def own_cgroup() -> str:
    with open("/proc/self/cgroup") as file:
        place = next(line for line in file if line.startswith("0::"))
    return "/sys/fs/cgroup" + place[3:].rstrip("\n/")


def number_in(path: str, name: str) -> int:
    with open(path) as file:
        return next(int(line.split()[1]) for line in file if line.split()[0] == name)
