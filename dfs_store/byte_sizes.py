"""Parses and formats sizes in bytes, such as 20MiB, 1.5 GB or 300000."""

import re
from decimal import Decimal

from dfs_store.errors import SettingsError

__all__ = ["MEBIBYTE", "mebibytes", "parse_bytes", "size_text"]

MEBIBYTE = 2**20
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": MEBIBYTE, "GIB": 2**30}


def parse_bytes(text: str, flag: str) -> int:
    """Parses a size and returns the number of bytes.

    Args:
        text: a number and an optional unit: B, KB, MB, GB (powers of 1000), KiB, MiB or GiB (powers of 1024).
        flag: name of the option, for the error message.

    Raises:
        SettingsError: the text is not a positive size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or Decimal(match[1]) * unit < 1:
        raise SettingsError(f"{flag} must be a size such as 20MiB, 1.5GB or 300000 (bytes), got {text!r}")
    return int(Decimal(match[1]) * unit)


def size_text(size_bytes: int) -> str:
    """Formats a size in MiB or KiB, followed by the exact number of bytes."""
    return f"{mebibytes(size_bytes)} ({size_bytes:,} bytes)"


def mebibytes(size_bytes: float) -> str:
    """Formats a size in MiB, with more decimals for smaller sizes, or in KiB below 0.1 MiB."""
    value = size_bytes / MEBIBYTE
    if value < 0.1:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{value:.{1 if value >= 100 else 2 if value >= 1 else 4}f} MiB"
