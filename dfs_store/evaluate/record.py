"""Builds the record of an evaluation: the result, the store's metadata and the cost of condensing it."""

from typing import TYPE_CHECKING, Any

from dfs_store.condense.runtime.event_log import event_log_path, read_events
from dfs_store.errors import DFSError
from dfs_store.format import KeyFrameStore
from dfs_store.format.io.place import shown_place
from dfs_store.videos.decode.frame_folder import folder_status
from dfs_store.videos.of_store import clips_named_by
from dfs_store.videos.opening import describe, find_clips

if TYPE_CHECKING:
    from dfs_store.evaluate.result import EvaluationResult
    from dfs_store.evaluate.run import EvaluationSettings

__all__ = [
    "RESULT_SCHEMA",
    "TRIAL",
    "WHOLE",
    "about_store",
    "about_whole",
    "cost_of",
    "result_document",
    "test_views",
    "training_videos_bytes",
]

RESULT_SCHEMA = "dfs.evaluate/1"
WHOLE = "whole"  # replaces the name of a method: trained on all real clips
TRIAL = "trial"  # replaces the name of a control: only used to choose one, and not in any table


def about_store(store: KeyFrameStore) -> dict[str, Any]:
    """Returns the store's metadata for a result: method, settings, digest, sizes and cost."""
    provenance = store.provenance
    return {
        "method": provenance.get("method"),
        "vpc": provenance.get("vpc"),
        "settings": store.provenance_object("config"),
        "digest": store.attributes["digest"],
        "dtype": store.dtype,
        "storage": store.storage.to_json(),
        "cost": cost_of(store),
    }


def about_whole() -> dict[str, Any]:
    """Returns the metadata for a result obtained by training on all real clips."""
    return {"method": WHOLE, "vpc": None, "settings": {}, "storage": None, "cost": None}


def result_document(
    trained_on: str, result: "EvaluationResult", settings: "EvaluationSettings", about: dict[str, Any]
) -> dict[str, Any]:
    """Returns a result as a JSON object, without its schema.

    Args:
        trained_on: path of the store, or `WHOLE`.
        result: result of the evaluation.
        settings: settings of the evaluation.
        about: the result of `about_store` or `about_whole`, and any further entries.
    """
    found = {"store": shown_place(trained_on), **result.to_json()}
    return {**found, "batch_size": settings.batch_size, "seed": settings.seed, **about}


def test_views(dataset: str, settings: "EvaluationSettings") -> dict[str, int]:
    """Returns the arguments `random_starts` and `seed` for opening the test clips.

    The seed is 0 if there are no random starts, and for built-in datasets, because a different seed would
    change their clips.
    """
    starts = settings.random_starts
    seed = settings.seed if starts and not describe(dataset).is_built_in else 0
    return {"random_starts": starts, "seed": seed}


def cost_of(store: KeyFrameStore) -> dict[str, Any] | None:
    """Returns the cost of condensing a store, taken from its run's event log, or None if there is no log.

    Returns:
        `seconds`, the total over all processes that worked on the run; `device`; and `clip_passes`, the
        number of clips that passed through a network, with or without a backward pass. A class with fewer
        than `batch_real` real clips is counted as if it had that many. `clip_passes` is None for methods that
        select clips by an extractor's features, because the log does not record their number.
    """
    try:
        events = read_events(event_log_path(store.path))
    except OSError:
        return None
    if not any(each.get("digest") == store.attributes["digest"] for each in events):
        return None  # the log belongs to a different run
    starts = [number for number, each in enumerate(events) if each["event"] == "run_started"]
    ends = [*(start - 1 for start in starts[1:]), len(events) - 1]
    config = store.provenance_object("config")
    steps = sum(each["event"] == "step_done" for each in events)
    vpc = config.get("vpc")
    per_class = (config.get("batch_real") or 0) + (vpc if isinstance(vpc, int) else 0)
    by_features = not steps and "extractor" in config
    return {
        "seconds": round(sum(float(events[end].get("elapsed_seconds", 0)) for end in ends if end >= 0), 3),
        "device": events[starts[-1]].get("device") if starts else None,
        "clip_passes": None if by_features else steps * len(store.class_names) * per_class,
    }


def training_videos_bytes(settings: object) -> int | None:
    """Returns the size of the training videos on disk in bytes, or None if there are no such files.

    Args:
        settings: settings that determine the clips, see `clips_named_by`.
    """
    chosen = clips_named_by(settings)
    if describe(chosen["name_or_folder"]).is_built_in:
        return None
    try:
        found = find_clips(**chosen)
        paths = (found.root / clip.file for clip in found.clips)
        return sum(folder_status(path)[0] if path.is_dir() else path.stat().st_size for path in paths)
    except (DFSError, OSError):
        return None
