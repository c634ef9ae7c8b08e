import dataclasses
import itertools
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the processors; before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.pretend_cuda import pretended_cuda
from tests.s3 import S3Server, forget_clients

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    import s3fs

    with S3Server(tmp_path_factory.mktemp("s3") / "log") as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        forget_clients()
        s3fs.S3FileSystem().mkdir("stores")
        patch.undo()
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The S3 server, configured in this process's environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def bucket(s3):
    """The URL of an empty folder in a bucket."""
    return f"s3://stores/{next(_numbers)}"


@pytest.fixture
def short_training(monkeypatch, tmp_path):
    """Trains extractors and teachers for one pass only, with an empty cache, whose folder it returns."""
    from dfs_store.condense.engine import extractor

    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    training = dataclasses.replace(extractor.EXTRACTOR_TRAINING, epochs=0)
    monkeypatch.setattr(extractor, "EXTRACTOR_TRAINING", training)
    return tmp_path / "cache"


@pytest.fixture
def work():
    """A simulated GPU, and the work that it is asked to do (see tests/pretend_cuda.py)."""
    with pretended_cuda() as counted:
        yield counted
