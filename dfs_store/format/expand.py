"""Expands one compressed frame into exactly its bytes, however many the compressed ones claim to hold.

A few kilobytes of any compressor can expand to gigabytes, and a name in a store must not choose which code
is run: so the compressors are a short list, and each is told how much room there is.
"""

import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["COMPRESSORS", "expand"]

Bytes = npt.NDArray[np.uint8]


def expand(compressor: str, stored: Bytes, count_bytes: int) -> Bytes:
    """Expands a compressed frame.

    Args:
        compressor: one of `COMPRESSORS`.
        stored: the compressed bytes.
        count_bytes: that they must expand to.

    Returns:
        (count_bytes,) uint8.

    Raises:
        ValueError: they are damaged, or expand to another number of bytes. Too few from zstd end in zeros
            instead, for the frame's checksum to find.
    """
    try:
        return COMPRESSORS[compressor](stored, count_bytes)
    except (zlib.error, RuntimeError, ValueError) as error:
        raise ValueError(f"{compressor}: {error}") from error


def _inflate(stored: Bytes, count_bytes: int, window_bits: int) -> Bytes:
    expander = zlib.decompressobj(window_bits)
    # One byte more than there may be, so that more is noticed and the checksum behind the last is read.
    found = expander.decompress(stored.data, count_bytes + 1)
    if len(found) > count_bytes:
        raise ValueError(f"expands to more than the {count_bytes:,} bytes of a frame")
    if len(found) < count_bytes or not expander.eof:
        raise ValueError(f"is cut short: gives {len(found):,} of {count_bytes:,} bytes, without an end")
    return np.frombuffer(found, dtype=np.uint8)


def _zstd(stored: Bytes, count_bytes: int) -> Bytes:
    from numcodecs import zstd

    found = np.zeros(count_bytes, dtype=np.uint8)
    zstd.decompress(stored, found)  # refuses more than there is room for
    return found


COMPRESSORS = {
    "gzip": lambda stored, count: _inflate(stored, count, zlib.MAX_WBITS | 16),
    "zlib": lambda stored, count: _inflate(stored, count, zlib.MAX_WBITS),
    "zstd": _zstd,
}
