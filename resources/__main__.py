"""Start the engine: ``python -m resources``."""

import gc
import os

if __name__ == "__main__":
    # What is imported is no garbage; to look for it takes 2 of a small check's 46 ms.
    gc.set_threshold(100_000)

    from resources.cli import main

    # Not sys.exit: Python would wait for threads that may still wait for an object
    # store, and take 10 ms to free what ends with the process. All lines are flushed.
    os._exit(main())
