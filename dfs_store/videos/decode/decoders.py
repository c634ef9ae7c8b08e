"""The decoders by name. No decoder is imported here."""

from typing import Any

from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = ["DECODERS", "decoders_of", "decoding_rules", "is_current"]

DECODERS = ("auto", "pyav", "decord")

# Raise with every change that gives other frames or pixels of some file.
_RULES_VERSION = 1


def decoders_of(choice: str) -> tuple[str, ...]:
    """Returns which decoders to use, in their order.

    Raises:
        SettingsError: there is none of that name.
    """
    if choice not in DECODERS:
        raise SettingsError(
            f"decoder must be {', '.join(DECODERS[:-1])} or {DECODERS[-1]}, got {choice!r}"
            f"{did_you_mean(choice, DECODERS)}"
        )
    return ("pyav", "decord") if choice == "auto" else (choice,)


def is_current(rules: object) -> bool:
    """Returns whether clips that were prepared by these rules would be prepared in the same way now."""
    return isinstance(rules, dict) and rules.get("version") == _RULES_VERSION


def decoding_rules(choice: str) -> dict[str, Any]:
    """Returns everything about decoding that a prepared clip depends on, for the key of the cache."""
    return {
        "decoders": decoders_of(choice),
        "version": _RULES_VERSION,
        "frames": "shown by FFmpeg",
        "stream": "picked by FFmpeg",
        "aspect": "display",
        "orientation": "applied",
    }
