"""The names of the decoders. Does not import any decoder."""

from typing import Any

from dfs_store.names import known_name

__all__ = ["DECODERS", "decoders_of", "decoding_rules", "is_current"]

DECODERS = ("auto", "pyav", "decord")

# Increment with every change that alters the frames or pixels of any file.
_RULES_VERSION = 1


def decoders_of(choice: str) -> tuple[str, ...]:
    """Returns the decoders to try, in order.

    Raises:
        SettingsError: the name is unknown.
    """
    known_name(choice, DECODERS, "decoder")
    return ("pyav", "decord") if choice == "auto" else (choice,)


def is_current(rules: object) -> bool:
    """Returns whether clips were prepared with this version's decoding rules."""
    return isinstance(rules, dict) and rules.get("version") == _RULES_VERSION


def decoding_rules(choice: str) -> dict[str, Any]:
    """Returns the decoding rules that prepared clips depend on, for the key of their cache entry."""
    return {
        "decoders": decoders_of(choice),
        "version": _RULES_VERSION,
        "frames": "shown by FFmpeg",
        "stream": "picked by FFmpeg",
        "aspect": "display",
        "orientation": "applied",
    }
