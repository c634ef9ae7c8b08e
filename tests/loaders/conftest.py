import pytest

from tests.loaders.stores import write_store


@pytest.fixture(scope="session")
def store_path(tmp_path_factory):
    """Writes a float32 Zarr store of 7 clips of 8 frames, which tests must not change."""
    return write_store(tmp_path_factory.mktemp("stores") / "small.zarr")
