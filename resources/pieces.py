"""Cut a stream of files into pieces for the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from resources.workers import may_fork

T = TypeVar("T")

PIECE_FILES = 200  # enough that passing a piece costs little beside its files
THREAD_PIECE_FILES = 4  # few, so that all threads wait for the network at once
PIECE_BYTES = 32_000_000  # a piece of large files is over in about a tenth of a second


def in_pieces(items: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield lists of items, none over the two bounds unless it is one large file.

    >>> [len(piece) for piece in in_pieces([1] * 450, lambda item: item)]
    [200, 200, 50]
    """
    piece_files = PIECE_FILES if may_fork() else THREAD_PIECE_FILES
    piece: list[T] = []
    total_bytes = 0
    for item in items:
        if piece and (
            len(piece) >= piece_files or total_bytes + size(item) > PIECE_BYTES
        ):
            yield piece
            piece, total_bytes = [], 0
        piece.append(item)
        total_bytes += size(item)
    if piece:
        yield piece
