"""How a notebook shows a store. `dfs_store` sets it: pictures stand above the format, which asks for them."""

from collections.abc import Callable
from typing import Any

__all__ = ["html_of"]


def _nothing(_store: object) -> None:
    return None


html_of: dict[str, Callable[[Any], str | None]] = {"store": _nothing}
