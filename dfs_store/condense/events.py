"""What a run tells while it goes on. The command line shows it; a notebook may, too."""

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
    """The run is set up and begins.

    Attributes:
        step: the first step to be done, above 0 for a resumed run.
        iterations: number of steps of the whole run, 0 for methods that do not iterate.
        num_clips: synthetic clips in all classes.
        device: where it computes, e.g. "cuda:0".
        notes: settings that do not concern the method, falls back and the like, for people.
    """

    step: int
    iterations: int
    num_clips: int
    device: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractorTrained:
    """A training pass of the network on real clips: the extractor of the coresets, or the teacher.

    Attributes:
        passes_done: passes over the clips so far; 0 before the first one.
        passes: passes in all.
        loss: mean training loss of this pass; None before the first one.
    """

    passes_done: int
    passes: int
    loss: float | None


@dataclass(frozen=True)
class ClipsFitted:
    """Real clips have been fitted and encoded.

    Attributes:
        done: clips so far.
        num_clips: clips in all.
    """

    done: int
    num_clips: int


@dataclass(frozen=True)
class StepDone:
    """One step is done: matched, moved, and perhaps inserted.

    Attributes:
        step: 0-based number of the step.
        iterations: number of steps of the whole run.
        phase: "warm-up", "insertion", "cool-down", or "matching" in a run without insertion.
        loss: Eq. 8, summed over classes, before the step.
        num_key_frames: after the step, over all clips.
        num_inserted: key frames inserted at this step.
        key_frame_bytes: of all key frames, as float32.
        num_candidates: positions, in all clips, whose gradients of this step disagree with both adjacent key
            frames (Eq. 6). None outside the phase of insertion.
        cosines: of the clips that are watched, by number: for each of the T positions the larger of the two
            cosines of its gradient with those of the adjacent key frames (Eq. 6), None at key frames. Only in
            the phase of insertion.
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
        path: the file.
        step: the next step to be done.
    """

    path: str
    step: int


@dataclass(frozen=True)
class StoreWritten:
    """The store is complete at its path.

    Attributes:
        path: the store.
        num_clips: clips in it.
        num_key_frames: key frames in it.
        digest: of the store, which tells it from others at the same path.
    """

    path: str
    num_clips: int
    num_key_frames: int
    digest: str


Event = RunStarted | ExtractorTrained | ClipsFitted | StepDone | CheckpointSaved | StoreWritten
"""What `condense(on_event=...)` is called with."""
