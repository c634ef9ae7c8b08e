"""Runs the load of benchmarks/load.py for a few seconds."""

import sys

import pytest

from tests.loaders.load import run_load
from tests.loaders.stores import write_store

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.parametrize(
    ("suffix", "dtype", "start_method"),
    [("zarr", "uint8", "fork"), ("h5", "float32", "fork"), ("zarr", "float32", "spawn")],
)
def test_many_readers_alongside_a_verifier_and_a_copier(tmp_path, suffix, dtype, start_method):
    if start_method == "fork" and sys.platform == "darwin":
        pytest.skip("macOS does not fork processes that have threads")
    path = write_store(tmp_path / f"s.{suffix}", dtype=dtype, counts=(2, 5, 8, 1, 3) * 5)
    report = run_load(path, processes=2, threads=4, seconds=1.5, start_method=start_method)
    assert not report.errors, report.errors[0]
    assert report.different == 0
    assert report.batches > 2 * 4 * 3
    assert min(report.verified, report.copies) > 0
