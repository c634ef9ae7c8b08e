"""Reads the file given with `--config`: TOML or JSON, with flag names as keys."""

import tomllib
from pathlib import Path
from typing import Any

from dfs_store.errors import SettingsError

_MOST_BYTES = 2**20


def read_settings_file(path: str) -> dict[str, Any]:
    """Returns the settings in a TOML or JSON file. `batch-real` and `batch_real` are the same key.

    Raises:
        SettingsError: the file cannot be read, or is not a flat table of settings.
    """
    from dfs_store.format.io.reading import parse_json, read_named  # so that --help needs no NumPy

    kind, parse = ("JSON", parse_json) if path.endswith(".json") else ("TOML", tomllib.loads)
    try:
        content = parse(read_named(Path(path), _MOST_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config {path} cannot be read as {kind}: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict) for value in content.values()):
        raise SettingsError(f"--config {path} must be a flat table such as `vpc = 1`, without sections")
    return {key.replace("-", "_"): value for key, value in content.items()}
