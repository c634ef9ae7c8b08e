"""Decompresses chunks in layouts that other tools write, and limits their decompressed size.

A few compressed kilobytes can decompress to gigabytes, and the decoders of numcodecs and libhdf5 allocate as
much memory as the data require. Callers therefore pass the expected size of a chunk, and no function in this
module allocates more.
"""

import zlib

import numpy as np
import numpy.typing as npt

__all__ = ["check_lzf", "expand"]

Bytes = npt.NDArray[np.uint8]

_BLOSC_HEADER_BYTES = 16


def expand(compressor: str, stored: Bytes, size_bytes: int) -> Bytes:
    """Decompresses one chunk.

    Args:
        compressor: "deflate", "gzip", "zstd" or "blosc".
        stored: the compressed bytes.
        size_bytes: the expected size after decompression, in bytes.

    Returns:
        (size_bytes,) uint8.

    Raises:
        ValueError: the data are damaged, or their decompressed size is not `size_bytes`.
    """
    try:
        return _EXPANDERS[compressor](stored, size_bytes)
    except (zlib.error, RuntimeError, ValueError) as error:
        raise ValueError(f"{compressor}: {error}") from error


def _inflate(stored: Bytes, size_bytes: int, window_bits: int) -> Bytes:
    expander = zlib.decompressobj(window_bits)
    # Ask for one byte too many, to detect longer data and to make zlib check the checksum at the end.
    found = expander.decompress(stored.data, size_bytes + 1)
    if len(found) != size_bytes or not expander.eof:
        raise ValueError(_other_size(len(found), size_bytes))
    return np.frombuffer(found, dtype=np.uint8)


def _zstd(stored: Bytes, size_bytes: int) -> Bytes:
    from numcodecs import zstd

    # numcodecs first compares the size in the header. If the header has none, longer data raise an error, and
    # shorter data leave zeros at the end, which the checksums detect.
    found = np.zeros(size_bytes, dtype=np.uint8)
    zstd.decompress(stored, found)
    return found


def _blosc(stored: Bytes, size_bytes: int) -> Bytes:
    from numcodecs import blosc

    if stored.size < _BLOSC_HEADER_BYTES:
        raise ValueError(f"the header must have {_BLOSC_HEADER_BYTES} bytes, got {stored.size}")
    expanded, _, compressed = stored[4:_BLOSC_HEADER_BYTES].view("<u4").tolist()
    # The decoder does not know the size of its input, and would read past the end.
    if compressed != stored.size:
        raise ValueError(
            f"the header states {compressed:,} compressed bytes, but the chunk has {stored.size:,}"
        )
    if expanded != size_bytes:
        raise ValueError(_other_size(expanded, size_bytes))
    found = np.empty(size_bytes, dtype=np.uint8)
    blosc.decompress(stored, found)
    return found


_EXPANDERS = {
    "deflate": lambda stored, size_bytes: _inflate(stored, size_bytes, zlib.MAX_WBITS),
    "gzip": lambda stored, size_bytes: _inflate(stored, size_bytes, zlib.MAX_WBITS | 16),
    "zstd": _zstd,
    "blosc": _blosc,
}


def check_lzf(stored: Bytes, size_bytes: int) -> None:
    """Checks, without decompressing, that LZF data decompress to `size_bytes`. Raises ValueError if not."""
    data, at, found = bytes(stored), 0, 0
    try:
        while at < len(data) and found <= size_bytes:
            control = data[at]
            if control < 32:  # a run of control + 1 literal bytes
                found += control + 1
                at += control + 2
                continue
            length = control >> 5
            if length == 7:
                at += 1
                length += data[at]
            found += length + 2  # a copy of earlier bytes
            at += 2
    except IndexError:
        found = -1
    if found != size_bytes or at != len(data):
        raise ValueError(f"lzf: {_other_size(max(found, 0), size_bytes)}")


def _other_size(found: int, size_bytes: int) -> str:
    amount = f"{found:,}" if found <= size_bytes else f"more than {size_bytes:,}"
    return f"the chunk decompresses to {amount} bytes, but must decompress to {size_bytes:,}"
