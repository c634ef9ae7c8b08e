import pytest

from tests.format.making import CONTAINERS, DTYPES, ENCODINGS, content


@pytest.fixture(params=CONTAINERS)
def container(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=ENCODINGS)
def encoding(request):
    return request.param


@pytest.fixture
def store_path(tmp_path, container):
    path = tmp_path / f"store.{container}"
    content().write(path)
    return path
