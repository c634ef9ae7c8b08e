"""All recipes of attacks; see `registry`."""

from tests.attacks.recipes import arrays, hdf5_files, headers, zarr_files  # noqa: F401 - they register themselves
from tests.attacks.recipes.registry import ATTACKS

__all__ = ["ATTACKS"]
