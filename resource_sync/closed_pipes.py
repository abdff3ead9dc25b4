"""Pipes whose reader may have gone (``make run | head -1``): what is written to them
is lost, and ends nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forgiven(fd: int) -> Iterator[None]:
    """Write in here to a descriptor; where nobody reads it any more, that and what
    follows is lost."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, fd)
        os.close(nowhere)
