"""Events that a run reports, for the command line, logs and notebooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "CheckpointSaved",
    "ClipsFitted",
    "Event",
    "ExtractorTrained",
    "RunStarted",
    "StepDone",
    "StoreWritten",
]


@dataclass(frozen=True)
class RunStarted:
    """The run has been set up and is starting.

    Attributes:
        step: the first step to run, above 0 for a resumed run.
        iterations: number of steps of the whole run; 0 for methods without steps.
        num_clips: number of synthetic clips in all classes.
        device: device of the run, e.g. "cuda:0".
        notes: remarks for the user, for example on unused settings and fallbacks.
    """

    step: int
    iterations: int
    num_clips: int
    device: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractorTrained:
    """The coresets' extractor or the teacher has finished a training pass over the real clips.

    Attributes:
        passes_done: number of finished passes; 0 before the first one.
        passes: total number of passes.
        loss: mean training loss of this pass; None before the first one.
    """

    passes_done: int
    passes: int
    loss: float | None


@dataclass(frozen=True)
class ClipsFitted:
    """Key frames have been fitted to more real clips and encoded.

    Attributes:
        done: number of clips so far; with a budget, each clip counts twice.
        num_clips: final value of `done`.
    """

    done: int
    num_clips: int


@dataclass(frozen=True)
class StepDone:
    """A step is done: clips were matched, and key frames were updated and possibly inserted.

    Attributes:
        step: 0-based number of the step.
        iterations: number of steps of the whole run.
        phase: "warm-up", "insertion", "cool-down", or "matching" in a run without insertion.
        loss: loss of Eq. 8, summed over classes, before the update.
        num_key_frames: number of key frames in all clips after the step.
        num_inserted: number of key frames inserted at this step.
        key_frame_bytes: size of all key frames as float32, in bytes.
        num_candidates: number of positions in all clips whose gradient disagrees with the gradients of both
            adjacent key frames at this step (Eq. 6). None outside the insertion phase.
        cosines: maps the number of each watched clip to T values: for each position, the larger cosine of its
            gradient with the gradients of the two adjacent key frames (Eq. 6), or None at a key frame. Empty
            outside the insertion phase.
    """

    step: int
    iterations: int
    phase: str
    loss: float
    num_key_frames: int
    num_inserted: int
    key_frame_bytes: int
    num_candidates: int | None = None
    cosines: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint has been saved.

    Attributes:
        path: path of the checkpoint.
        step: the next step to run.
    """

    path: str
    step: int


@dataclass(frozen=True)
class StoreWritten:
    """The store is complete at its path.

    Attributes:
        path: path of the store.
        num_clips: number of clips.
        num_key_frames: number of key frames.
        digest: digest of the store, which distinguishes it from other stores written to this path.
    """

    path: str
    num_clips: int
    num_key_frames: int
    digest: str


Event = RunStarted | ExtractorTrained | ClipsFitted | StepDone | CheckpointSaved | StoreWritten
"""Any of the events that `condense` passes to its `on_event` callback."""
