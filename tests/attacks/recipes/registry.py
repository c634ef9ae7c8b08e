"""Hostile stores, each as a recipe: what a stranger could publish to crash, hang or fill a reader, or to spy.

A recipe changes a sound store of `content` or `coded_content` (`tests.format.making`) in place. `led_to` is
what the reader must say today, or HARMLESS, and the docstring what the attack is after.
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
        name: of the attack, with its variant.
        suffix: of the store: ".zarr", ".zarr.zip" or ".h5".
        make: changes the store at a path.
        led_to: a regular expression that the error must match.
        compression: of the sound store.
        encoding: of its key frames.
    """

    name: str
    suffix: str
    make: Callable[[Path], None]
    led_to: str
    compression: str | None = None
    encoding: str | None = None


ATTACKS: list[Attack] = []
HARMLESS = "harmless"  # in place of words: the store opens, and every value equals the sound store's


def attack(led_to, *suffixes, compression=None, encoding=None, **variants):
    """Registers a recipe for containers; `variants` are lists of arguments of the same length."""

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
    """Returns zeros as zlib compresses them, without its checksum: no reader should come that far."""
    compressor = zlib.compressobj(9, wbits=window_bits)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(bytes(2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + block * (count_bytes // 2**20)
