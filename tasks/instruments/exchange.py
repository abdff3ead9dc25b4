"""What the processes of this host have counted, from whichever of them is asked.

A request for ``/metrics`` goes to any of the web processes, and never to a runner. So
each process listens on a Unix socket in ``DATA_DIR``, and who is asked asks them all.
Nothing is stored, so counting costs no write, and what is answered is as of now.
docs/decisions/0087-ends-of-tasks-are-counted-by-a-trigger.md
"""

import atexit
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from tasks.instruments.measures import REGISTRIES
from tasks.notifications import folder_for_sockets

logger = logging.getLogger(__name__)

# For all others together. One that is stopped, or that waits for Python's lock for so
# long, is left out.
ANSWER_SECONDS = 0.5
BACKLOG = 16
ENDING = ".sock"

_of_process = ProcessCollector(namespace="resource_sync", registry=None)


class Place:
    """This process among those of the host: ``web-1``, ``web-2``, ``runner-1``. A name
    that a process leaves is taken by the next one, so that a restart makes no new
    series."""

    def __init__(self, kind: str = "web") -> None:
        self.kind, self.name = kind, kind
        self.path: Path | None = None


_place = Place()  # of a process that has joined nobody, such as a test


def join(kind: str) -> None:
    """Take a place among the processes of this host, and answer the others from now
    on. Where no socket can be made, others miss this process; it goes on."""
    global _place
    place = Place(kind)
    try:
        listener = _listen(place)
    except OSError as error:
        logger.warning("Metrics of this process are not collected: %s", error)
    else:
        threading.Thread(
            target=_answer, args=(listener, place), name="metrics", daemon=True
        ).start()
        atexit.register(_leave, place, os.getpid())
    _place = place


def collected() -> list[Metric]:
    """Return what the processes of this host have counted, each sample with the name
    of its process."""
    found = [(_place.name, _counted(_place.kind)), *_of_others()]
    up = Metric(
        "resource_sync_process_up",
        "Whether a process tells what it has counted.",
        "gauge",
    )
    merged: dict[str, Metric] = {}
    for name, families in found:
        up.add_sample(up.name, {"process": name}, 0 if families is None else 1)
        for family in families or ():
            whole = Metric(family.name, family.documentation, family.type)
            into = merged.setdefault(family.name, whole)
            for sample in family.samples:
                labels = {**sample.labels, "process": name}
                into.add_sample(sample.name, labels, sample.value)
    return [up, *merged.values()]


def _counted(kind: str) -> list[Metric]:
    return [*_of_process.collect(), *REGISTRIES[kind].collect()]


# --- Being asked ----------------------------------------------------------------------


def _folder() -> Path:
    return folder_for_sockets(Path(settings.DATA_DIR).resolve() / "metrics")


def _listen(place: Place) -> socket.socket:
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"The folder {folder} belongs to somebody else.")
    with _one_at_a_time(folder):
        names = (f"{place.kind}-{number}" for number in count(1))
        path = next(
            path for name in names if not _is_taken(path := folder / f"{name}{ENDING}")
        )
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(BACKLOG)
    place.path, place.name = path, path.stem
    return listener


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_taken(path: Path) -> bool:
    """Return whether a process listens there; one that is stopped does, too."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.setblocking(False)
        try:
            asked.connect(str(path))
        except BlockingIOError:  # its queue is full
            return True
        except OSError:
            return False
    return True


def _answer(listener: socket.socket, place: Place) -> None:
    while True:
        try:
            asking, _ = listener.accept()
        except OSError:  # no descriptor is free, say
            time.sleep(ANSWER_SECONDS)
            continue
        with asking, suppress(OSError):
            asking.settimeout(ANSWER_SECONDS)
            asking.sendall(_as_json(_counted(place.kind)))


def _leave(place: Place, pid: int) -> None:
    if place.path is not None and os.getpid() == pid:  # not of a fork
        place.path.unlink(missing_ok=True)


def _as_json(families: Iterable[Metric]) -> bytes:
    found = [
        [
            family.name,
            family.documentation,
            family.type,
            [[sample.name, sample.labels, sample.value] for sample in family.samples],
        ]
        for family in families
    ]
    return json.dumps(found).encode()


# --- Asking ---------------------------------------------------------------------------


def _of_others() -> Iterator[tuple[str, list[Metric] | None]]:
    """Yield the name of each other process, and what it has counted; None of one that
    does not answer. One that is gone is not there."""
    deadline = time.monotonic() + ANSWER_SECONDS
    asked: dict[str, socket.socket] = {}
    try:
        for path in sorted(_folder().glob(f"*{ENDING}")):
            if path == _place.path:
                continue
            asking = socket.socket(socket.AF_UNIX)
            asking.setblocking(False)
            try:
                asking.connect(str(path))
            except BlockingIOError:
                asking.close()
                yield path.stem, None
            except OSError:  # it was killed; its name waits for the next one
                asking.close()
            else:
                asked[path.stem] = asking
        for name, asking in asked.items():
            yield name, _read(asking, deadline)
    finally:
        for asking in asked.values():
            asking.close()


def _read(asking: socket.socket, deadline: float) -> list[Metric] | None:
    parts = []
    try:
        while True:
            asking.settimeout(max(0.001, deadline - time.monotonic()))
            part = asking.recv(65536)
            if not part:
                break
            parts.append(part)
        return [_family(*each) for each in json.loads(b"".join(parts))]
    except (OSError, ValueError):
        return None


def _family(name: str, documentation: str, kind: str, samples: Any) -> Metric:
    family = Metric(name, documentation, kind)
    for sample, labels, value in samples:
        family.samples.append(Sample(sample, labels, value))
    return family
