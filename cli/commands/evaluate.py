"""`dfs evaluate`: trains a network from scratch on a store and tests it on real videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from .._results import SCHEMA, keep, keep_beside, result_beside
from ..options import evaluate as given
from ..options import shared
from ..options.groups import takes
from ..shown.evaluation import evaluation_text
from ..shown.picture_files import check_free

if TYPE_CHECKING:
    from dfs_store.evaluate import EvaluationProgress, EvaluationResult, EvaluationSettings
    from dfs_store.evaluate.run import TrainingBatches
    from dfs_store.format import StorageReport
    from dfs_store.loaders.dataset import Target
    from dfs_store.videos import VideoDataset
    from dfs_store.videos.of_store import StoreVideos
    from dfs_store.videos.rehearsal import Rehearsal

WHOLE = "whole"


@command
@takes(given.CLIPS, given.TRAINING)
def evaluate(
    store: given.Store,
    *,
    dataset: given.Dataset = None,
    results: given.Results = None,
    dry_run: given.DryRun = False,
    overwrite: shared.Overwrite = False,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **options: Any,  # noqa: ANN401 - which clips, and how networks are trained on them
) -> None:
    """Train a network from scratch on a store and test it on real videos.

    dfs evaluate ucf.zarr --dataset miniucf
    """
    job = _job(store, dataset or "", seed, device, options)
    beside = result_beside(job.store, job.settings, job.videos, job.own)
    kept = Path(beside if results is None else results)
    if kept.is_file() and not dry_run:  # pipes and devices are written to, not replaced
        check_free([kept], overwrite=overwrite, flag="--results")
    if dry_run:
        _forecast(job, json=json)
        return
    from dfs_store.evaluate.record import result_document, training_videos_bytes

    # Computed before the training, so that an error here cannot lose the result.
    about = {**job.about, "dataset_bytes": training_videos_bytes(job.videos)}
    result = _run(job, quiet=quiet)
    found = result_document(store, result, job.settings, about)
    if json:
        _output.document(SCHEMA, found)
    else:
        _output.echo(evaluation_text(store, result, job.storage, verbose=verbose))
    if results is not None:
        keep(kept, found)
    else:
        keep_beside(kept, found, quiet=quiet)


class _Job(NamedTuple):
    """An evaluation to run.

    Attributes:
        store: path of the store, or `WHOLE`.
        videos: real clips to test on and, for `WHOLE`, to train on.
        about: fields in the result that describe the store.
        own: settings that the result's file name mentions only if they differ from the store's, and unusual
        `labels`.
        storage: the store's sizes, or None for `WHOLE`.
        labels: kinds of labels to train on, in order.
        settings: settings of the evaluation.
    """

    store: str
    videos: "StoreVideos"
    about: dict[str, Any]
    own: dict[str, Any]
    storage: "StorageReport | None"
    labels: "tuple[Target, ...]"
    settings: "EvaluationSettings"


def _job(store: str, dataset: str, seed: int, device: str, options: dict[str, Any]) -> _Job:
    from dfs_store.condense.runtime.device import resolve_device
    from dfs_store.evaluate import EvaluationSettings
    from dfs_store.videos.of_store import StoreVideos

    clips = {name: options[name] for name in given.CLIPS}
    names = shared.class_list(clips["classes"])
    asked = StoreVideos(dataset, **{**clips, "classes": tuple(names) if names else None})
    videos, about, own, storage = _whole(asked) if store == WHOLE else _of_store(store, asked)
    stored = storage is not None and storage.soft_label_bytes is not None
    labels = _labels(options["labels"], store, stored=stored)
    own["labels"] = None if labels == _labels(None, store, stored=stored) else options["labels"]
    how = {name: options[name] for name in given.TRAINING if name != "labels"}
    settings = EvaluationSettings(**how, seed=seed, device=str(resolve_device(device)))
    return _Job(store, videos, about, own, storage, labels, settings)


def _labels(asked: str | None, store: str, *, stored: bool) -> "tuple[Target, ...]":
    from dfs_store.errors import SettingsError
    from dfs_store.evaluate.sources import LABELS
    from dfs_store.names import known_name

    chosen = LABELS[known_name(asked or ("both" if stored else "hard"), LABELS, "--labels")]
    if "soft" in chosen and not stored:
        why = "real clips have" if store == WHOLE else f"{store} has"
        raise SettingsError(
            f"--labels {asked}: {why} no soft labels; leave out --labels, or condense with --soft-labels"
        )
    return chosen


def _whole(asked: "StoreVideos") -> tuple["StoreVideos", dict[str, Any], dict[str, Any], None]:
    from dfs_store.errors import SettingsError
    from dfs_store.evaluate.record import about_whole

    if not asked.dataset:
        raise SettingsError("`dfs evaluate whole` needs --dataset NAME|FOLDER|LIST, the clips to train on")
    from dfs_store.videos.opening import describe

    usual = describe(asked.dataset).sampling
    own = {"dataset": None, "split": 1, "frames": usual.frames, "stride": usual.stride, "size": usual.size}
    return asked, about_whole(), own, None


def _of_store(
    path: str, asked: "StoreVideos"
) -> tuple["StoreVideos", dict[str, Any], dict[str, Any], "StorageReport"]:
    """Returns the `videos`, `about`, `own` and `storage` of the job for a store."""
    from dfs_store import open_store
    from dfs_store.evaluate.record import about_store
    from dfs_store.format.source_paths import source_name
    from dfs_store.videos.of_store import clips_to_test_on

    with open_store(path) as store:
        provenance = store.provenance
        own = {
            "dataset": source_name(str(provenance.get("dataset"))),
            "split": store.provenance_object("config").get("split"),
            "frames": store.num_frames,
            "stride": store.provenance_object("sampling").get("stride"),
            "size": store.frame_shape[1],
        }
        return clips_to_test_on(store, asked), about_store(store), own, store.storage


def _forecast(job: _Job, *, json: bool) -> None:
    """Prints a forecast of the evaluation's duration. Writes no files."""
    from dfs_store.evaluate.forecast import forecast_evaluation

    from ..shown.forecast import forecast_text

    train = _rehearsed(job, "train") if _needs_training_clips(job) else None
    if train is not None and job.videos.hold_out is not None:
        rest, held = train.videos.hold_out(job.videos.hold_out)
        train, test = train._replace(videos=rest), train._replace(videos=held, decoding_seconds=None)
    else:
        test = _rehearsed(job, "test")
    decoding = 0.0 if train is None else train.decoding_seconds or 0.0
    sources = list(_sources(job, None if train is None else train.videos).values())
    forecast = forecast_evaluation(sources, test, job.settings, decoding)
    training, runs = job.settings.training(0), job.settings.runs * len(sources)
    if json:
        content = {
            "store": job.store,
            "labels": "both" if len(job.labels) > 1 else job.labels[0],
            "runs": job.settings.runs,
            "epochs": training.epochs,
            "passes": training.passes,
            "num_train_clips": len(sources[0]),
            "num_test_clips": len(test.videos),
            "device": job.settings.device,
        }
        _output.document("dfs.evaluate.plan/1", {**content, **forecast.to_json()})
        return
    what = f"{counted(runs, 'run')} of {counted(training.passes, 'pass')} over {len(sources[0]):,} clips"
    _output.echo(
        f"{job.settings.model} on {job.settings.device}: {what}, tested on {len(test.videos):,}\n"
        f"time  {forecast_text(forecast)}"
    )


def _needs_training_clips(job: _Job) -> bool:
    return job.store == WHOLE or job.videos.hold_out is not None


def _rehearsed(job: _Job, part: str) -> "Rehearsal":
    """Returns one part of the real clips for a forecast, with as many random starts as the runs need."""
    from dfs_store.evaluate.record import test_views
    from dfs_store.videos.of_store import clips_named_by
    from dfs_store.videos.rehearsal import rehearse

    named = clips_named_by(job.videos)
    views = test_views(job.videos.dataset, job.settings) if part == "test" else {}
    cut = {name: getattr(job.videos, name) for name in ("frames", "stride", "size")}
    decoder = job.videos.decoder or "auto"
    return rehearse(named.pop("name_or_folder"), part, **cut, **views, decoder=decoder, **named)


def _sources(job: _Job, train: "VideoDataset | None") -> "dict[str, TrainingBatches]":
    """Returns the clips to train on (the store's, or the real ones for `WHOLE`), by kind of label."""
    from dfs_store.evaluate import VideoClips, clips_of

    if job.store == WHOLE and train is not None:
        return {"hard": VideoClips(train, job.settings.device)}
    return {kind: clips_of(job.store, job.settings.device, kind) for kind in job.labels}


def _run(job: _Job, *, quiet: bool) -> "EvaluationResult":
    from dataclasses import replace

    from dfs_store.evaluate import evaluate
    from dfs_store.evaluate.record import test_views
    from dfs_store.videos.of_store import name_of

    from .._videos import open_with_progress

    videos, settings = job.videos, job.settings
    train = open_with_progress(videos, "train", quiet=quiet) if _needs_training_clips(job) else None
    if train is not None and videos.hold_out is not None:
        train, test = train.hold_out(videos.hold_out)
    else:
        views = test_views(videos.dataset, settings)
        test = open_with_progress(videos, "test", quiet=quiet, **views)
    sources = _sources(job, train)
    with _output.Progress("evaluate", quiet=quiet) as progress:

        def show(event: "EvaluationProgress") -> None:
            scores = f"  top-1 so far {', '.join(f'{s:.1f}' for s in event.top1)} %" if event.top1 else ""
            progress.update(
                event.run * event.passes + event.passes_done,
                event.runs * event.passes,
                f"run {event.run + 1} of {event.runs}{' (soft labels)' if event.labels == 'soft' else ''}  "
                f"loss {event.loss:.3f}{scores}",
            )

        result = evaluate(sources.get("hard"), test, settings, soft=sources.get("soft"), on_progress=show)
    # The result names the store's dataset, not the folder that contains the clips.
    on = replace(result.test, dataset=name_of(videos.dataset), split_declared=videos.split_declared)
    return replace(result, test=on)
