"""The built-in datasets, whose clips are generated from a seed with NumPy."""

from typing import Final

from dfs_store.videos.built_in.generator import Generator
from dfs_store.videos.built_in.moving_shapes import MOVING_SHAPES
from dfs_store.videos.built_in.stick_figures import STICK_FIGURES

__all__ = ["BUILT_IN", "Generator"]

BUILT_IN: Final[dict[str, Generator]] = {
    generator.name: generator for generator in (STICK_FIGURES, MOVING_SHAPES)
}
