"""Cut what a manifest lists into pieces for the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from resources.manifests.line_file import Block
from resources.workers.pool import may_fork

T = TypeVar("T")

PIECE_FILES = 200  # enough that passing a piece costs little beside its files
THREAD_PIECE_FILES = 4  # few, so that all threads wait for the network at once
PIECE_BYTES = 32_000_000  # a piece of large files is over in about a tenth of a second


class InBlocks(Protocol[T]):
    """What lists files in blocks that a helper can read by itself."""

    def blocks(self) -> Iterable[Block]:
        """Return the blocks, in order."""

    def entries_of(self, block: Block) -> list[T]:
        """Read the entries of a block."""


def pieces_of(
    listing: InBlocks[T], size: Callable[[T], int] | None
) -> Iterator[Block | list[T]]:
    """Yield whole blocks, which cost nothing to pass to a helper, and where these have
    much to read, the entries themselves in smaller pieces.

    ``size`` is None where large files take no longer than small ones.
    """
    for block in listing.blocks():
        if may_fork() and (size is None or block.total_bytes <= PIECE_BYTES):
            yield block
        else:
            yield from in_pieces(listing.entries_of(block), size or (lambda _: 0))


def read_piece(listing: InBlocks[T], piece: Block | list[T]) -> list[T]:
    """Return the entries of a piece."""
    return listing.entries_of(piece) if isinstance(piece, Block) else piece


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
