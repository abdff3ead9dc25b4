"""What a task runs that must never run twice at a time: prints a number each tenth of a
second, so many of them, or until it is told that it is enough.

Its folder is the one thing that all hosts of the tests share.
"""

import fcntl
import os
import socket
import sys
import time
from pathlib import Path

folder, name, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
guard = (folder / f"{name}.guard").open("a")
try:
    fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    (folder / f"{name}.twice").touch()
    sys.exit("It runs already.")
with (folder / f"{name}.began").open("a") as began:
    began.write(f"{socket.gethostname()} {os.environ['TASK_ID']}\n")
for number in range(1, most + 1):
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
    if (folder / f"{name}.enough").exists():
        break
    time.sleep(0.1)
