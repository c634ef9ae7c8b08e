"""The hook that renders a store in a notebook. `dfs_store` sets it, as `format` cannot import `pictures`."""

from collections.abc import Callable
from typing import Any

__all__ = ["html_of"]


def _nothing(_store: object) -> None:
    return None


html_of: dict[str, Callable[[Any], str | None]] = {"store": _nothing}
