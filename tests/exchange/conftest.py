import pytest

from tests.format.making import DTYPES


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param
