"""`dfs evaluate`: train from scratch on a store, test on real videos."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from .._store_videos import StoreVideos, clips_to_test_on
from ..options import evaluate as given
from ..options import shared
from ..shown.picture_files import check_free

if TYPE_CHECKING:
    from dfs_store.evaluate import (
        EvaluationProgress,
        EvaluationResult,
        EvaluationSettings,
        Score,
    )
    from dfs_store.format import StorageReport
    from dfs_store.videos import VideoDataset

WHOLE = "whole"
SCHEMA = "dfs.evaluate/1"


@command
def evaluate(
    store: given.Store,
    dataset: given.Dataset = None,
    root: shared.Root = None,
    test_list: shared.TestList = None,
    class_names: shared.ClassNames = None,
    folder_layout: shared.FolderLayout = None,
    model: given.Model = "convnet3d",
    protocol: given.Protocol = "paper",
    labels: given.Labels = None,
    runs: given.Runs = 5,
    recipe: given.Recipe = "paper",
    epochs: given.Epochs = None,
    lr: given.Lr = None,
    batch_size: given.BatchSize = 256,
    frames: shared.Frames = None,
    stride: shared.Stride = None,
    size: shared.Size = None,
    split: shared.Split = None,
    classes: shared.Classes = None,
    hold_out: shared.HoldOut = None,
    decoder: shared.Decoder = None,
    results: given.Results = None,
    overwrite: shared.Overwrite = False,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Train a network from scratch on a store and test it on real videos.

    dfs evaluate ucf.zarr --dataset miniucf
    """
    names = shared.class_list(classes)
    asked = StoreVideos(
        dataset or "",
        root,
        frames,
        stride,
        size,
        split,
        tuple(names) if names else None,
        hold_out,
        test_list=test_list,
        class_names=class_names,
        folder_layout=folder_layout,
        decoder=decoder,
    )
    videos, about, own, storage = _whole(asked) if store == WHOLE else _of_store(store, asked)
    stored = storage is not None and storage.soft_label_bytes is not None
    trained_on = _labels(labels, store, stored=stored)

    from dfs_store.condense.runtime.device import resolve_device
    from dfs_store.evaluate import EvaluationSettings
    from dfs_store.evaluate.record import result_document, training_videos_bytes

    settings = EvaluationSettings(
        model=model,
        protocol=protocol,  # type: ignore[arg-type]  # checked by EvaluationSettings
        recipe=recipe,
        runs=runs,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        seed=seed,
        device=str(resolve_device(device)),
    )
    usual = trained_on == _labels(None, store, stored=stored)
    own["labels"] = None if usual else labels
    kept = Path(results if results is not None else _beside(store, settings, videos, own))
    if kept.is_file():  # a pipe or a device is written to, not replaced
        check_free([kept], overwrite=overwrite, flag="--results")
    # Before the training: nothing may fail after it.
    about["dataset_bytes"] = training_videos_bytes(videos)
    result = _run(store, videos, settings, trained_on, quiet=quiet)
    found = result_document(store, result, settings, about)
    if json:
        _output.document(SCHEMA, found)
    else:
        _output.echo(_text(store, result, storage, verbose=verbose))
    if results is not None:
        _keep(kept, found)
    else:
        _keep_beside(kept, found, quiet=quiet)


def _labels(asked: str | None, store: str, *, stored: bool) -> tuple[str, ...]:
    """Returns the kinds of labels to train on, in order."""
    from dfs_store.errors import SettingsError
    from dfs_store.names import known_name

    kinds = {"hard": ("hard",), "soft": ("soft",), "both": ("hard", "soft")}
    chosen = kinds[known_name(asked or ("both" if stored else "hard"), kinds, "--labels")]
    if "soft" in chosen and not stored:
        why = "real clips have" if store == WHOLE else f"{store} has"
        raise SettingsError(
            f"--labels {asked}: {why} no soft labels; leave it out, or condense with --soft-labels"
        )
    return chosen


def _whole(asked: StoreVideos) -> tuple[StoreVideos, dict[str, Any], dict[str, Any], None]:
    from dfs_store.errors import SettingsError
    from dfs_store.evaluate.record import about_whole

    if not asked.dataset:
        raise SettingsError("`dfs evaluate whole` needs --dataset NAME|FOLDER|LIST, the clips to train on")
    from dfs_store.videos.opening import describe

    usual = describe(asked.dataset).sampling
    own = {"dataset": None, "split": 1, "frames": usual.frames, "stride": usual.stride, "size": usual.size}
    return asked, about_whole(), own, None


def _of_store(
    path: str, asked: StoreVideos
) -> tuple[StoreVideos, dict[str, Any], dict[str, Any], "StorageReport"]:
    """Returns the clips to test on, what a result says of the store, its origin, and its storage."""
    from dfs_store import open_store
    from dfs_store.evaluate.record import about_store
    from dfs_store.format.source_paths import source_name

    with open_store(path) as store:
        provenance = store.attributes.get("provenance") or {}
        own = {
            "dataset": source_name(str(provenance.get("dataset"))),
            "split": store.provenance_object("config").get("split"),
            "frames": store.num_frames,
            "stride": store.provenance_object("sampling").get("stride"),
            "size": store.frame_shape[1],
        }
        return clips_to_test_on(store, asked), about_store(store), own, store.storage


def _run(
    store: str,
    videos: StoreVideos,
    settings: "EvaluationSettings",
    trained_on: tuple[str, ...],
    *,
    quiet: bool,
) -> "EvaluationResult":
    from dataclasses import replace

    from dfs_store.evaluate import VideoClips, clips_of, evaluate

    from .._videos import open_with_progress

    train = None
    if store == WHOLE or videos.hold_out is not None:
        train = open_with_progress(videos, "train", quiet=quiet)
    if train is not None and videos.hold_out is not None:
        train, test = train.hold_out(videos.hold_out)
    else:
        test = _test_clips(videos, settings, quiet=quiet)
    hard = clips_of(store, settings.device) if "hard" in trained_on and store != WHOLE else None
    if store == WHOLE and train is not None:
        hard = VideoClips(train, settings.device)
    soft = clips_of(store, settings.device, "soft") if "soft" in trained_on else None
    with _output.Progress("evaluate", quiet=quiet) as progress:

        def show(event: "EvaluationProgress") -> None:
            scores = f"  top-1 so far {', '.join(f'{s:.1f}' for s in event.top1)} %" if event.top1 else ""
            progress.update(
                event.run * event.passes + event.passes_done,
                event.runs * event.passes,
                f"run {event.run + 1} of {event.runs}{' (soft labels)' if event.labels == 'soft' else ''}  "
                f"loss {event.loss:.3f}{scores}",
            )

        result = evaluate(hard, test, settings, soft=soft, on_progress=show)
    # The name of the store's dataset, not the folder in which clips were found.
    on = replace(result.test, dataset=_name_of(videos.dataset), split_declared=videos.split_declared)
    return replace(result, test=on)


def _name_of(dataset: str) -> str:
    """Returns what a result calls a dataset: a folder's own name, told apart from those of the catalogue."""
    from dfs_store.format.source_paths import source_name
    from dfs_store.videos import CATALOGUE

    name = source_name(os.path.abspath(os.path.expanduser(dataset)))
    return dataset if dataset in CATALOGUE else f"./{name}" if name in CATALOGUE else name


def _test_clips(videos: StoreVideos, settings: "EvaluationSettings", *, quiet: bool) -> "VideoDataset":
    """Opens the test clips, with the random starts that the runs draw."""
    from dfs_store.evaluate.record import test_views

    from .._videos import open_with_progress

    return open_with_progress(videos, "test", quiet=quiet, **test_views(videos.dataset, settings))


def _text(
    store: str,
    result: "EvaluationResult",
    storage: "StorageReport | None",
    *,
    verbose: bool,
) -> str:
    from dfs_store.format.io.place import shown_place

    kinds = [("", {"top1": result.top1, "top5": result.top5})] if result.labels != "soft" else []
    kinds += [(", soft labels", result.soft)] if result.soft is not None else []
    rows: list[tuple[str, ...]] = []
    for kind, scores in kinds:
        rows.append((f"top-1{kind}", *_score_cells(scores["top1"])))
        if result.num_classes > 5:
            rows.append((f"top-5{kind}", *_score_cells(scores["top5"])))
    rows.append(("chance", f"{result.chance:.1f} %", "top-1 of always answering the most frequent class"))
    number, test = len(result.top1.runs), result.test
    trainings = (
        f"{counted(number, 'run')} of {counted(result.epochs, 'epoch')} ({counted(result.passes, 'pass')})"
    )
    split = "" if test.split is None else f", split {test.split}"
    where = " held out of the training clips" if test.hold_out is not None else ""
    head = (
        f"{shown_place(store)} on {test.dataset}{split}: {result.model}, protocol {result.protocol}, "
        f"recipe {result.recipe}, "
        f"{trainings} on {counted(result.num_train_clips, 'clip')}, tested on {test.num_clips:,}{where}"
    )
    lines = [head, _output.table(rows, indent="  ")]
    if test.split_declared:
        lines.append(
            f"  split   {test.split}, declared by --split: the store does not record which split it came from"
        )
    if storage is not None:
        size = f"{_output.size_text(storage.method_bytes)} of {storage.method_arrays}"
        lines.append(f"  store  {size}, {storage.shares_text}")
    if verbose:
        lines += ["  per class", _output.table(_class_rows(result), indent="    ")]
    return "\n".join(lines)


def _score_cells(score: "Score") -> tuple[str, str]:
    runs = ", ".join(f"{run:.1f}" for run in score.runs)
    return str(score), f"runs {runs}" if len(score.runs) > 1 else ""


def _class_rows(result: "EvaluationResult") -> list[tuple[str, ...]]:
    """Per class the accuracy, and the class that its clips are most often mistaken for."""
    rows: list[tuple[str, ...]] = []
    for label, (name, percent) in enumerate(result.per_class.items()):
        wrong = [0 if other == label else count for other, count in enumerate(result.confusion[label])]
        most = max(wrong)
        share = 100 * most / sum(result.confusion[label])
        taken = f"taken for {result.classes[wrong.index(most)]} {share:.1f} %" if most else ""
        rows.append((name, f"{percent:.1f} %", taken))
    return rows


def _beside(store: str, settings: "EvaluationSettings", videos: StoreVideos, own: dict[str, Any]) -> str:
    """Names a result's file after its settings and test clips, so that other results do not replace it.

    Default settings, and values equal to those that the store was made with, are left out. A result of
    `whole` is named after its dataset and goes to the working folder.
    """
    from dfs_store.evaluate import EvaluationSettings
    from dfs_store.format.io.place import local_beside
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
    if _name_of(videos.dataset) != own["dataset"]:
        parts.append(f"on-{_name_of(videos.dataset).removeprefix('./')}")
    parts += [f"{name}{value}" for name, value in test.items() if value not in (None, own[name])]
    parts += [f"labels-{own['labels']}"] if own["labels"] else []
    if videos.hold_out is not None:
        parts.append(f"hold-out{videos.hold_out:g}")
    return f"{local_beside(store.rstrip('/'))}.{'-'.join(parts)}.json"


def _keep_beside(path: Path, found: dict[str, Any], *, quiet: bool) -> None:
    """Keeps a result for which no file was named; prints a note if it cannot be written."""
    from dfs_store.errors import OutputNotWritableError

    try:
        if path.exists() and not path.is_file():
            raise OutputNotWritableError(
                f"the result is not kept: {path} is no file; name one with --results"
            )
        _keep(path, found)
    except OutputNotWritableError as error:
        _output.note(f"note: {error}")
    else:
        if not quiet:
            _output.note(f"kept in {path}")


def _keep(path: Path, found: dict[str, Any]) -> None:
    """Writes the result to a file. It has been printed before, so nothing is lost if that fails."""
    from dfs_store.errors import OutputNotWritableError
    from dfs_store.format.io.durable import write_durably, write_through

    text = _output.json_text(SCHEMA, found) + "\n"
    try:
        if path.exists() and not path.is_file():
            write_through(path, text.encode())  # a pipe or a device: written to, not replaced
        else:
            write_durably(path, text.encode())
    except OSError as error:
        raise OutputNotWritableError(
            f"the result was printed but cannot be kept in {path} ({error.strerror}); name another file "
            "with --results"
        ) from error
