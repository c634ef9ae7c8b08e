"""The record of a method: its settings, its requirements and the functions that run it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args

from dfs_store.condense.presets import Preset
from dfs_store.condense.settings import Dtype, Settings
from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

if TYPE_CHECKING:
    from dfs_store.condense.condensed import Condensed
    from dfs_store.condense.config import CondenseConfig
    from dfs_store.condense.events import Event
    from dfs_store.videos import VideoDataset

__all__ = ["MATCHING_SETTINGS", "Method", "Phases"]

Run = Callable[["CondenseConfig", "VideoDataset", Callable[["Event"], None]], "Condensed"]
Phases = tuple[tuple[str, int, int], ...]

# Settings that every method with Eq. 8 steps uses.
MATCHING_SETTINGS = ("iterations", "lr", "momentum", "batch_real", "init", "precision")


@dataclass(frozen=True, kw_only=True)
class Method:
    """A condensation method. The defaults are for a method that keeps real clips unchanged.

    Attributes:
        run: makes the clips, given resolved settings, the real clips and a callback for events.
        settings: names of the `CondenseConfig` settings that the method uses in addition to the common ones.
        preset: returns the method's defaults for a dataset (catalogue name or folder) and a vpc; None if it
            has no preset.
        dtype: default type of the stored key frames.
        shares_classes: whether several processes can share the classes; if not, only the first process runs
            the method.
        encodes: whether the method's key frames can be stored as image files.
        needs_real_clips: whether every class must have at least vpc real clips, regardless of `init`.
        when_compared: the size settings that `dfs compare` uses if none are given.
        check: raises SettingsError for settings that the method does not support.
        check_clips: raises SettingsError for settings that do not suit the clips; called with the settings,
            the number of synthetic clips, T and (C, H, W).
        notes: returns remarks on the settings for the user.
        key_frames: returns the minimum and maximum number of key frames of a stored clip, given the settings
            and T; T by default.
        phases: name and half-open range of steps of each phase; None for a method without steps, which has
            no checkpoints either.
        native_bytes: returns the size of the method's native arrays in bytes, given the number of classes,
            vpc, T and (C, H, W); None for a method that stores only key frames.
        training_clips: opens the clips to train a network on, given the path of a store with native arrays
            and a device (see `dfs_store.evaluate.sources`); None for a method that stores only key frames.
            Used only for built-in methods, so that a store can never make the program import code.

    Raises:
        SettingsError: `settings` or `dtype` contains an unknown name.
    """

    run: Run
    settings: tuple[str, ...] = ()
    preset: Callable[[str, int], Preset] | None = None
    dtype: str = "float32"
    shares_classes: bool = False
    encodes: bool = True
    needs_real_clips: bool = False
    when_compared: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[["CondenseConfig"], None] = lambda _: None
    check_clips: Callable[["CondenseConfig", int, int, tuple[int, int, int]], None] = lambda *_: None
    notes: Callable[["CondenseConfig"], list[str]] = lambda _: []
    key_frames: Callable[["CondenseConfig", int], tuple[int, int]] = lambda _, frames: (frames, frames)
    phases: Callable[["CondenseConfig"], Phases] | None = None
    native_bytes: Callable[[int, int, int, tuple[int, int, int]], int] | None = None
    training_clips: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        known = {each.name for each in fields(Settings)}
        if unknown := sorted(set(self.settings) - known):
            raise SettingsError(
                f"a Method's settings must be fields of CondenseConfig, got {', '.join(unknown)}"
                f"{did_you_mean(unknown[0], known)}"
            )
        if self.dtype not in (dtypes := get_args(Dtype)):
            raise SettingsError(f"a Method's dtype must be one of {', '.join(dtypes)}, got {self.dtype!r}")
