"""The methods, by name. Each one makes clips of key frames, and all end in the same store."""

from collections.abc import Callable

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import Event
from dfs_store.condense.methods._clip import Condensed
from dfs_store.condense.methods.dfs import dfs
from dfs_store.condense.methods.dm import dm
from dfs_store.condense.methods.herding import herding
from dfs_store.condense.methods.k_center import k_center
from dfs_store.condense.methods.pack import pack
from dfs_store.condense.methods.random import random
from dfs_store.condense.methods.static_dynamic import static_dynamic
from dfs_store.videos import VideoDataset

__all__ = ["METHODS", "SPLIT_METHODS", "Condensed"]

Tell = Callable[[Event], None]

METHODS: dict[str, Callable[[CondenseConfig, VideoDataset, Tell], Condensed]] = {
    "dfs": dfs,
    "dm": dm,
    "static-dynamic": static_dynamic,
    "random": random,
    "herding": herding,
    "k-center": k_center,
    "pack": pack,
}
# Whose classes several processes can share; what the others train or choose hangs together.
SPLIT_METHODS = ("dfs", "dm")
