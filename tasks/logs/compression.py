"""Zstandard, as Python has it from 3.14 on. Imported by whoever packs or reads what is
packed, when they do: 18 ms and 1.4 MB that the others don't pay."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Level 9: of 1,000,000 lines of a build 15.3 MB in 3 s of processor time; level 3 has
# 17.4 MB in 0.5 s, level 19 13.8 MB in 74 s (benchmarks/README.md).
OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 9,
    zstd.CompressionParameter.checksum_flag: 1,  # a damaged block is an error
}


def compressed(data: bytes) -> bytes:
    return zstd.compress(data, options=OPTIONS)


def decompressed(data: bytes) -> bytes:
    """Raises zstd.ZstdError where the data is damaged."""
    return zstd.decompress(data)
