"""Give a file a second name."""

from __future__ import annotations

import errno
import os

# What says that this file can't have one more name here.
_NO_LINK = (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV)


def link(name: str, folder_fd: int, new_name: str, new_folder_fd: int) -> bool:
    """Make a hard link, never of what a symbolic link leads to.

    Returns False where there can be none: too many names, or not on this file system.
    """
    try:
        os.link(
            name,
            new_name,
            src_dir_fd=folder_fd,
            dst_dir_fd=new_folder_fd,
            follow_symlinks=False,
        )
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True
