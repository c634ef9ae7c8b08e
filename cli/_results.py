"""Names and writes result files for `dfs evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _output

if TYPE_CHECKING:
    from dfs_store.evaluate import EvaluationSettings
    from dfs_store.videos.of_store import StoreVideos

SCHEMA = "dfs.evaluate/1"


def result_beside(
    store: str, settings: "EvaluationSettings", videos: "StoreVideos", own: dict[str, Any]
) -> str:
    """Returns a file name that lists the settings and test clips, so that no result overwrites another.

    Settings at their defaults and values equal to the store's are omitted. A result of `whole` is named after
    its dataset and written to the working folder.
    """
    from dfs_store.evaluate import EvaluationSettings
    from dfs_store.format.io.place import local_beside
    from dfs_store.videos.of_store import name_of
    from dfs_store.videos.opening import describe, resolve_sampling

    info = describe(videos.dataset)
    sampling = resolve_sampling(info, frames=videos.frames, stride=videos.stride, size=videos.size)
    test = {
        "split": videos.split if info.official_splits > 1 else None,
        **{name: getattr(sampling, name) for name in ("frames", "stride", "size")},
    }

    usual, training = EvaluationSettings(recipe=settings.recipe), settings.training(0)
    parts = [settings.model.replace(":", "."), settings.protocol, str(training.epochs)]
    parts += [settings.recipe] if settings.recipe != EvaluationSettings().recipe else []
    values = {
        "runs": (settings.runs, usual.runs),
        "lr": (training.lr, usual.training(0).lr),
        "batch": (settings.batch_size, usual.batch_size),
        "seed": (settings.seed, usual.seed),
    }
    parts += [f"{name}{value:g}" for name, (value, default) in values.items() if value != default]
    if name_of(videos.dataset) != own["dataset"]:
        parts.append(f"on-{name_of(videos.dataset).removeprefix('./')}")
    parts += [f"{name}{value}" for name, value in test.items() if value not in (None, own[name])]
    parts += [f"labels-{own['labels']}"] if own["labels"] else []
    if videos.hold_out is not None:
        parts.append(f"hold-out{videos.hold_out:g}")
    return f"{local_beside(store.rstrip('/'))}.{'-'.join(parts)}.json"


def keep_beside(path: Path, found: dict[str, Any], *, quiet: bool) -> None:
    """Writes a result to its default file. Prints a note if that fails."""
    from dfs_store.errors import OutputNotWritableError

    if path.exists() and not path.is_file():
        _output.note(f"note: the result was not saved: {path} is not a regular file; use --results")
        return
    try:
        keep(path, found)
    except OutputNotWritableError as error:
        _output.note(f"note: {error}")
    else:
        if not quiet:
            _output.note(f"saved to {path}")


def keep(path: Path, found: dict[str, Any]) -> None:
    """Writes a result to a file. The result has already been printed, so nothing is lost if that fails."""
    from dfs_store.errors import OutputNotWritableError
    from dfs_store.format.io.durable import write_durably, write_through

    text = _output.json_text(SCHEMA, found) + "\n"
    try:
        if path.exists() and not path.is_file():
            write_through(path, text.encode())  # pipes and devices are written to, not replaced
        else:
            write_durably(path, text.encode())
    except OSError as error:
        raise OutputNotWritableError(
            f"the result was printed but cannot be saved to {path} ({error.strerror}); choose another "
            "file with --results"
        ) from error
