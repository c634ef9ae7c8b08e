"""Recipes for malicious stores that could crash a reader, make it hang or run out of memory, or expose files.

A recipe changes a valid store made by `content` or `coded_content` (`tests.format.making`) in place. `led_to`
is the error that the reader must raise, or HARMLESS. The docstring says what the attack does or aims at.
"""

import functools
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Attack:
    """One recipe.

    Attributes:
        name: name of the attack and number of its variant.
        suffix: suffix of the store, ".zarr", ".zarr.zip" or ".h5".
        make: function that changes the store at a path.
        led_to: regular expression that the error must match.
        compression: compression of the valid store.
        encoding: encoding of its key frames.
    """

    name: str
    suffix: str
    make: Callable[[Path], None]
    led_to: str
    compression: str | None = None
    encoding: str | None = None


ATTACKS: list[Attack] = []
HARMLESS = "harmless"  # the store opens, and every value equals the valid store's


def attack(led_to, *suffixes, compression=None, encoding=None, **variants):
    """Registers a recipe for each suffix. `variants` are lists of arguments, all of the same length."""

    def register(make):
        rows = [dict(zip(variants, row, strict=True)) for row in zip(*variants.values(), strict=True)] or [{}]
        for number, row in enumerate(rows):
            row = dict(row)
            words = row.pop("words", led_to)
            name = make.__name__ + (f"-{number}" if len(rows) > 1 else "")
            recipe = functools.partial(make, **row)
            ATTACKS.extend(Attack(name, suffix, recipe, words, compression, encoding) for suffix in suffixes)
        return make

    return register


class Shell:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch /tmp/dfs-store-was-attacked",)


def zeros_compressed(window_bits: int, count_bytes: int) -> bytes:
    """Returns zeros compressed by zlib, without a checksum, which no reader should reach."""
    compressor = zlib.compressobj(9, wbits=window_bits)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + block * (count_bytes // 2**20)
