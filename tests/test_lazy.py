"""Every name that is imported on first use exists and is listed."""

import importlib
from types import ModuleType

import pytest

PACKAGES = (
    "dfs_store", "dfs_store.condense", "dfs_store.evaluate", "dfs_store.exchange", "dfs_store.report",
    "dfs_store.videos",
)  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported_and_is_listed(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        value = getattr(module, name)
        assert isinstance(value, ModuleType) or value is getattr(module, name)
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing
