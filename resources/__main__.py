"""Start the engine: ``python -m resources``."""

import os
import sys

from resources.cli import main
from resources.workers import may_fork

if __name__ == "__main__":
    code = main()
    if not may_fork():
        # Threads may still wait for an object store, and Python would wait for them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
