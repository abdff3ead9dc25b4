"""Keep Python from looking for garbage among what a start imports."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Keep what is made meanwhile out of every later collection.

    There are some 150,000 objects after the imports. To look through them takes up to a
    third of a start, and 70 ms each time later, in which a web process sends nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
