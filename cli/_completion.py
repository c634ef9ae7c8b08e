"""Shell completion for options with few choices, datasets, and stores on disk.

The shell waits for the result, so this file does not import the library. Instead, it contains copies of most
option values, which a test compares with the library's. For all other options, the shell completes file
names.
"""

import os
import re
from collections.abc import Callable

__all__ = [
    "EXPORTS",
    "KINDS_OF_PREVIEW",
    "NETWORKS",
    "complete_dataset",
    "complete_evaluated",
    "one_of",
    "stores",
]

NETWORKS = (
    "convnet3d", "convnet3d-norm", "cnn-gru", "cnn-lstm", "r3d_18", "mc3_18", "r2plus1d_18", "s3d",
    "mvit_v2_s", "swin3d_t",
)  # fmt: skip
KINDS_OF_PREVIEW = ("sheet", "film", "timeline", "storage", "cosine", "flow")
EXPORTS = ("videos", "frames", "webdataset", "npz", "huggingface", "croissant")
_DATASETS = ("stick-figures", "moving-shapes", "miniucf", "ucf101", "hmdb51", "kinetics400", "ssv2")
_STORE_SUFFIXES = (".zarr", ".zarr.zip", ".h5", ".hdf5")

# Shells insert completions without quoting, and zsh evaluates them. Other names are left to the shell, which
# quotes them.
_PLAIN = re.compile(r"[\w.+,@%=/-]+")

Completion = Callable[[str], list[str]]


def one_of(*words: str) -> Completion:
    """Returns a completion that offers the words that start with the typed text."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def stores(incomplete: str) -> list[str]:
    """Completes the paths of stores."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        with os.scandir(folder + slash or ".") as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.startswith(start)
                and entry.name.endswith(_STORE_SUFFIXES)
                and (start.startswith(".") or not entry.name.startswith("."))
            ]
    except OSError:
        return []
    paths = [folder + slash + name for name in sorted(names)]
    return [path for path in paths if _PLAIN.fullmatch(path)]


complete_dataset = one_of(*_DATASETS)


def complete_evaluated(incomplete: str) -> list[str]:
    """Completes the argument of `dfs evaluate`: a store, or the word `whole`."""
    return [*one_of("whole")(incomplete), *stores(incomplete)]
