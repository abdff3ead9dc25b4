"""Starts the engine, and disturbs it before its N-th change of the file system.

    python disturbed_engine.py N kill|stop|vanish FOLDER ARGUMENTS...

Python tells of each file it opens, renames or deletes before the system does it (PEP
578), so every moment between two writes can be hit, and the engine itself knows
nothing of it. ``kill`` is SIGKILL to the process group, ``stop`` is SIGSTOP, and
``vanish`` removes FOLDER. With REFUSE_LINKS in the environment there is no link.
"""

import errno
import os
import shutil
import signal
import sys

# An entry's name appears, changes or goes; what only reads isn't counted.
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"}
CHANGES.add("fcntl.ioctl")  # a clone
CREATING = os.O_CREAT | os.O_WRONLY | os.O_RDWR


class Disturber:
    def __init__(self, number, action, folder):
        self.left, self.action, self.folder = number, action, folder

    def hear(self, event, arguments):
        if event == "os.link" and "REFUSE_LINKS" in os.environ:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        is_change = event in CHANGES or (event == "open" and arguments[2] & CREATING)
        if not is_change or self.left <= 0:
            return
        self.left -= 1
        if self.left:
            return
        if self.action == "kill":
            os.killpg(0, signal.SIGKILL)
        elif self.action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            shutil.rmtree(self.folder)


def main():
    number, action, folder, *arguments = sys.argv[1:]
    sys.dont_write_bytecode = True  # what Python keeps of a module is no change of ours
    from resources.cli import main as engine

    sys.addaudithook(Disturber(int(number), action, folder).hear)
    sys.exit(engine(arguments))


if __name__ == "__main__":
    main()
