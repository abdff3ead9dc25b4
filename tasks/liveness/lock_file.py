"""The lock file of a runner: an empty file in DATA_DIR that is locked (flock(2)) while
the runner, or a helper of it that still has to end programs, exists.

The kernel lets go of such a lock with the last process that has the file open, however
that came to its end. So the file tells of a runner in another container, whose
processes nobody else sees.
"""

import fcntl
import logging
import os
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil
from django.conf import settings

from tasks.liveness.processes import boot_of, process_space
from tasks.models import Runner

# Where a lock is the kernel's own. Over a network a server may forget one that is held.
LOCAL = {
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs"),
    *("overlay", "tmpfs", "xfs", "zfs"),
}

logger = logging.getLogger(__name__)


class LockFile:
    """A lock file as its runner holds it. ``fd``: its helpers inherit it, None where no
    such file can be made; ``identity``: its device and inode, for the runner's row, ""
    where a lock there says nothing."""

    def __init__(self, runner_id: uuid.UUID) -> None:
        self.runner_id = runner_id
        self.fd: int | None = None
        self.identity = ""
        path = path_of(runner_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if file_system_of(path) in LOCAL:
                self.identity = _identity(self.fd)
        except OSError as error:
            logger.warning(
                "No lock file can be held, so others wait longer for this runner if"
                " it dies: %s",
                error,
            )

    def close(self) -> None:
        """Let go of it. It stays, for those who look before its runner's row says that
        it has stopped."""
        if self.fd is not None:
            os.close(self.fd)


def is_let_go(runner: Runner) -> bool:
    """Return whether nothing of a runner exists any more, as its lock file says. False
    where that says nothing: on another machine, after a restart of the machine, in
    another folder."""
    boots = boot_of(runner.process_space), boot_of(process_space())
    if not runner.lock_file or boots[0] != boots[1]:
        return False
    return _free_identity(path_of(runner.pk)) == runner.lock_file


def delete_lock_files(living: Collection[uuid.UUID]) -> None:
    """Delete those that nobody holds, but of these runners."""
    for path in _folder().glob("*.lock"):
        with suppress(OSError, ValueError):
            if uuid.UUID(path.stem) not in living and _free_identity(path):
                path.unlink()


def path_of(runner_id: uuid.UUID) -> Path:
    return _folder() / f"{runner_id}.lock"


def file_system_of(path: Path) -> str:
    """Return the type of the file system that a path is on, as mount(8) names it; ""
    where that can't be told."""
    place = path.resolve()
    mounts = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if place.is_relative_to(mount.mountpoint)
    ]
    # Of two at the same place the later one hides the other.
    mounts.sort(key=lambda mount: len(mount.mountpoint))
    return mounts[-1].fstype if mounts else ""


def _folder() -> Path:
    return Path(settings.DATA_DIR, "runners")


def _free_identity(path: Path) -> str | None:
    """Return the identity of a lock file, None where it is held or can't be read."""
    try:
        with path.open() as file:
            # Shared, so that two who look at once don't take each other for the runner.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return _identity(file.fileno())
    except OSError:  # BlockingIOError: it is held
        return None


def _identity(fd: int) -> str:
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"
