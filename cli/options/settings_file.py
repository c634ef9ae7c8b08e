"""Reads the settings file of `--config`: TOML or JSON, with the flags without leading dashes as keys."""

import json
import tomllib
from pathlib import Path
from typing import Any

from dfs_store.errors import SettingsError


def read_settings_file(path: str) -> dict[str, Any]:
    """Returns the settings in a TOML or JSON file; `batch-real` and `batch_real` are the same key.

    Raises:
        SettingsError: the file cannot be read, or is not a flat table of settings.
    """
    kind, parse = ("JSON", json.loads) if path.endswith(".json") else ("TOML", tomllib.loads)
    try:
        content = parse(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--config {path} cannot be read as {kind}: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict) for value in content.values()):
        raise SettingsError(f"--config {path} must be a flat table such as `vpc = 1`, without sections")
    return {key.replace("-", "_"): value for key, value in content.items()}
