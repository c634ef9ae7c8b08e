"""What the rest of the program asks about a method: its settings, what it will take, and what it does."""

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

__all__ = ["MATCHING_SETTINGS", "Method", "Phases", "phases_of_schedule"]

Run = Callable[["CondenseConfig", "VideoDataset", Callable[["Event"], None]], "Condensed"]
Phases = tuple[tuple[str, int, int], ...]

# Of every method that takes steps of Eq. 8.
MATCHING_SETTINGS = ("iterations", "lr", "momentum", "batch_real", "init", "precision")


def _all_frames(_config: "CondenseConfig", num_frames: int) -> tuple[int, int]:
    return num_frames, num_frames


def phases_of_schedule(config: "CondenseConfig") -> Phases:
    """Returns warm-up, insertion and cool-down, or a single phase if nothing is inserted."""
    return config.schedule.phases


def _nothing(*_arguments: object) -> None:
    pass


def _no_notes(_config: "CondenseConfig") -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method. What is left out has the default of a method that keeps real clips as they are.

    Attributes:
        run: makes the clips, of resolved settings, real clips and a callback for events.
        settings: names of the settings of `CondenseConfig` that it uses beside those of all methods.
        preset: its defaults for a dataset (catalogue name or folder) and a vpc, if it has any.
        dtype: how the store keeps key frames if the user does not say.
        shares_classes: whether several processes can share the classes; else it runs on the first alone.
        encodes: whether its key frames can be stored as image files.
        needs_real_clips: whether every class must have at least vpc real clips, whatever `init` says.
        when_compared: settings of size that `dfs compare` gives it if it was given none.
        check: raises SettingsError of settings that it cannot work with.
        check_clips: the same, once the number of synthetic clips, T and (C, H, W) are known.
        notes: what a user should know about the settings, in words.
        key_frames: the fewest and the most that a clip can have in the store, given the settings and T; all T
            if absent.
        phases: name and half-open range of steps of each phase; None of a method that takes no steps, which
            has no checkpoints either.
        native_bytes: of its native arrays, given the number of classes, vpc, T and (C, H, W); None of a
            method that is made of key frames.
        training_clips: what a network is trained on, given the path of a store with such arrays and a device
            (see `dfs_store.evaluate.sources`); None of a method that is made of key frames. Of this library's
            methods alone: no store can make the program import code that it names.

    Raises:
        SettingsError: `settings` or `dtype` has a name that does not exist.
    """

    run: Run
    settings: tuple[str, ...] = ()
    preset: Callable[[str, int], Preset] | None = None
    dtype: str = "float32"
    shares_classes: bool = False
    encodes: bool = True
    needs_real_clips: bool = False
    when_compared: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[["CondenseConfig"], None] = _nothing
    check_clips: Callable[["CondenseConfig", int, int, tuple[int, int, int]], None] = _nothing
    notes: Callable[["CondenseConfig"], list[str]] = _no_notes
    key_frames: Callable[["CondenseConfig", int], tuple[int, int]] = _all_frames
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
