"""Start the engine: ``python -m resources``."""

import sys

from resources.cli import main

if __name__ == "__main__":
    sys.exit(main())
