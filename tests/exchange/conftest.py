import pytest

from tests.cli.conftest import dfs  # noqa: F401 - a fixture
from tests.format.making import DTYPES


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param
