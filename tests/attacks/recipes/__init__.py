"""All recipes of attacks; see `registry`."""

from tests.attacks.recipes import (  # noqa: F401 - they register themselves
    arrays,
    hdf5_files,
    headers,
    images,
    soft_labels,
    zarr_files,
    zip_files,
)
from tests.attacks.recipes.registry import ATTACKS

__all__ = ["ATTACKS"]
