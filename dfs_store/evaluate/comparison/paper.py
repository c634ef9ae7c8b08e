"""Specifies the comparisons that reproduce the paper's tables."""

from collections.abc import Mapping
from typing import Any

from dfs_store.errors import SettingsError
from dfs_store.evaluate.published import PAPER_METHODS

__all__ = ["PAPER_TABLES", "of_table"]

# Tables 1 and 3: methods by VPC, top-1 and top-5; 2: key frames and bytes of DFS; 4: other networks; 5:
# initial key frames; 6: ablations of the insertion.
PAPER_TABLES: Mapping[int, Mapping[str, Any]] = {
    1: {"methods": PAPER_METHODS, "vpc": (1, 5, 10)},
    2: {"methods": ("dfs",), "vpc": (1, 5, 10)},
    3: {"methods": PAPER_METHODS, "vpc": (1, 5)},
    4: {
        "methods": ("dm", "static-dynamic", "dfs"),
        "vpc": (1,),
        "vary": {"evaluate.model": ("convnet3d", "cnn-gru", "cnn-lstm")},
    },
    5: {"methods": ("dfs",), "vpc": (1,), "vary": {"initial_key_frames": (2, 3, 4, 6, 8)}},
    6: {
        "methods": ("dfs",),
        "vpc": (1,),
        "variants": {
            "dfs": {},
            "A no insertion": {"insertion": False},
            "B random position": {"selection": "random"},
            "C L2": {"metric": "l2"},
            "D no warm-up": {"warmup": 0.0},
            "D no cool-down": {"cooldown": 0.0},
        },
    },
}


def of_table(number: int) -> dict[str, Any]:
    """Returns the fields of `Comparison` that specify one of the paper's tables.

    Raises:
        SettingsError: the paper has no table of results with this number.
    """
    if number not in PAPER_TABLES:
        raise SettingsError(f"--table must be one of {', '.join(map(str, PAPER_TABLES))}, got {number}")
    return {"table": number, **PAPER_TABLES[number]}
