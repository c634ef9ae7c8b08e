"""Reads a settings file of `--config`: TOML or JSON, keys as the flags without their dashes."""

import tomllib
from pathlib import Path
from typing import Any

from dfs_store.errors import SettingsError

_MOST_BYTES = 2**20


def read_settings_file(path: str) -> dict[str, Any]:
    """Returns the settings in a TOML or JSON file; `batch-real` and `batch_real` are the same key.

    Raises:
        SettingsError: it cannot be read, or is no flat table of settings.
    """
    from dfs_store.format.io.reading import parse_json, read_named  # --help goes without NumPy

    file = Path(path)
    try:
        text = read_named(file, _MOST_BYTES).decode("utf-8-sig")
        content = parse_json(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config {path} cannot be read as {_kind(file)}: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict) for value in content.values()):
        raise SettingsError(f"--config {path} must be a flat table such as `vpc = 1`, without sections")
    return {key.replace("-", "_"): value for key, value in content.items()}


def _kind(file: Path) -> str:
    return "JSON" if file.suffix == ".json" else "TOML"
