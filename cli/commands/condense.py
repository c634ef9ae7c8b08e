"""`dfs condense`: condenses real videos into a store of key frames."""

from typing import TYPE_CHECKING, Any

from dfs_store.names import counted, did_you_mean

from .. import _output
from .._exit_codes import command
from .._ranks import first_prepares, is_alone, local_device, rank_number, ranks_joined
from .._track import check_tracker, recorded
from ..options import condense as given
from ..options import shared
from ..options.groups import takes
from ..options.of_settings import clip_flags

if TYPE_CHECKING:
    from dfs_store.condense import CondenseConfig, Plan
    from dfs_store.format import KeyFrameStore, StorageReport

# Shorter runs would end before their forecast is ready.
_FEWEST_STEPS = 30
_FEWEST_CLIPS = 200
# Limits of the suggested evaluation on a CPU. Training takes two cores about 0.15 s per 16x112x112 clip.
_MOST_EPOCHS = 100
_CLIP_PASSES = 5000


@command
@takes(given.SETTINGS, first=True)
def condense(
    track: given.Track = None,
    dry_run: given.DryRun = False,
    config: given.Config = None,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **settings: Any,  # noqa: ANN401 - an option for each of the settings
) -> None:
    """Condense a labelled video dataset into a few key frames per clip.

    dfs condense --dataset miniucf --vpc 10 --out ucf.zarr
    """
    asked = _settings(settings, config)
    if dry_run:
        _plan(asked, json=json)
    else:
        _run(asked, track, json=json, quiet=quiet or rank_number() > 0, verbose=verbose)


def _settings(parameters: dict[str, Any], file: str | None) -> "CondenseConfig":
    """Combines the settings file with the flags. Flags take precedence."""
    from dataclasses import fields

    from dfs_store.condense import CondenseConfig
    from dfs_store.errors import SettingsError

    from ..options.settings_file import read_settings_file

    flags = {name: value for name, value in parameters.items() if value is not None}
    if "classes" in flags:
        flags["classes"] = shared.class_list(flags["classes"])
    settings = {**(read_settings_file(file) if file else {}), **flags}
    if isinstance(settings.get("watch"), str):
        settings["watch"] = _numbers(settings["watch"])
    for name in ("classes", "watch"):
        if isinstance(settings.get(name), list):
            settings[name] = tuple(settings[name])
    known = {field.name for field in fields(CondenseConfig)}
    for name in settings:
        if name not in known:
            raise SettingsError(
                f"{file} contains the unknown setting {name!r}; the settings are {', '.join(sorted(known))}"
                f"{did_you_mean(name, known)}"
            )
    for name in ("dataset", "vpc", "out"):
        if name not in settings:
            raise SettingsError(
                f"--{name} is missing; usage: dfs condense --dataset NAME|FOLDER|LIST --vpc N --out STORE"
            )
    return CondenseConfig(**settings)


def _numbers(text: str) -> tuple[int, ...]:
    from dfs_store.errors import SettingsError

    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError(f"--watch must be clip numbers such as 0,7,20, got {text!r}") from None


def _plan(settings: "CondenseConfig", *, json: bool) -> None:
    from dfs_store.condense import plan_run
    from dfs_store.condense.forecast import forecast_run

    from ..shown.plan import plan_text

    plan = plan_run(settings)
    forecast = forecast_run(plan)
    if json:
        unknown: dict[str, Any] = {"forecast_seconds": None, "rough": True, "forecast_parts": {}}
        time = unknown if forecast is None else forecast.to_json()
        _output.document("dfs.condense.plan/1", {**plan.to_json(), **time})
    else:
        _output.echo(plan_text(plan, forecast))


@ranks_joined()
def _run(settings: "CondenseConfig", track: str | None, *, json: bool, quiet: bool, verbose: bool) -> None:
    import time
    from dataclasses import replace

    from dfs_store import condense as engine
    from dfs_store.report.tables import key_frames_per_clip

    from .._videos import open_with_progress
    from ..shown.condense_progress import CondenseProgress

    check_tracker(track)
    # The settings are checked before anything is decoded.
    plan = engine.plan_run(replace(settings, device=local_device(settings.device)))
    plan.check_disk()
    settings = plan.config
    if not quiet:
        _output.note(_announcement(plan, verbose=verbose))
    started = time.monotonic()
    memory = settings.max_memory_bytes
    videos = first_prepares(lambda: open_with_progress(settings, "train", quiet=quiet, max_memory=memory))
    with (
        recorded(settings, videos, track, first=rank_number() == 0) as record,
        CondenseProgress(settings, record, quiet=quiet) as progress,
    ):
        condensed = engine.condense(plan, videos, on_event=progress.on_event)
    elapsed = progress.seconds_before + time.monotonic() - started
    if condensed is None:
        return
    with condensed as store:
        result = {
            "out": settings.out,
            "content_digest": store.content_digest,
            "num_key_frames": int(store.offsets[-1]),
            "key_frames_per_clip": key_frames_per_clip(store.offsets),
            "storage": store.storage.to_json(),
            "elapsed_seconds": round(elapsed, 3),
            "steps_per_second": progress.steps_per_second,
        }
        storage, story = store.storage, [*progress.story(), *_encoding_lines(store)]
        _warn_of_still_clips(store, settings)
    if json:
        _output.document("dfs.condense/1", result)
    else:
        next_steps = "" if quiet else _next_steps(plan)
        _output.echo(_summary(result, storage, story) + next_steps)


def _announcement(plan: "Plan", *, verbose: bool) -> str:
    """Returns the plan of a run as text, with a forecast of its duration unless the run is short."""
    from dfs_store.condense.forecast import forecast_run

    from ..shown.plan import outline, plan_text

    steps = max((end for *_, end in plan.phases), default=0)
    looked_at = plan.num_clips + plan.num_real_clips * plan.config.embeds
    timed = is_alone() and (steps >= _FEWEST_STEPS or (not steps and looked_at >= _FEWEST_CLIPS))
    return (plan_text if verbose else outline)(plan, forecast_run(plan) if timed else None, timed=timed)


def _warn_of_still_clips(store: "KeyFrameStore", settings: "CondenseConfig") -> None:
    """Warns if method pack turned clips into still images."""
    import numpy as np

    if settings.method != "pack" or settings.key_frames == 1:
        return
    single = int(np.count_nonzero(np.diff(store.offsets) == 1))
    if single:
        _output.note(
            f"warning: {single:,} of {counted(len(store), 'clip')} became still pictures with a single key "
            "frame; raise --budget, lower --max-error or --vpc, or add --min-key-frames 2"
        )


def _encoding_lines(store: "KeyFrameStore") -> list[str]:
    """Returns lines about the encoding error; empty if key frames are not encoded."""
    if store.frame_encoding is None:
        return []
    lines = [_output.encoding_text(store.frame_encoding, store.provenance_object("frame_encoding"))]
    fit = store.provenance_object("fit")
    if isinstance(fit.get("psnr"), int | float):
        lines.append(f"PSNR {fit['psnr']:.1f} dB, mean over clips ({fit.get('psnr_of')})")
    return lines


def _summary(result: dict[str, Any], storage: "StorageReport", story: list[str]) -> str:
    what = (
        f"{counted(storage.num_key_frames, 'key frame')}, "
        f"{result['key_frames_per_clip']['mean']:.2f} per clip"
        f"{', and soft labels' if storage.soft_label_bytes else ''}"
    )
    if storage.native_bytes is not None:
        what = "native arrays, and dense clips for other readers"
    went = "".join(f"\n  {line}" for line in story)
    return (
        f"{result['out']}: {what}, {_output.size_text(storage.method_bytes)}, "
        f"in {_output.duration_text(result['elapsed_seconds'])}\n  {storage.shares_text}{went}"
    )


def _next_steps(plan: "Plan") -> str:
    """Returns suggested next commands, quoted for a shell. None of them takes hours on a CPU."""
    from dfs_store.condense.runtime.device import resolve_device
    from dfs_store.format.io.place import local_beside
    from dfs_store.networks.convnet3d import SMALLEST_SIZE

    settings = plan.config
    beside = local_beside(settings.out)
    picture = beside.with_name(beside.name.partition(".")[0] or beside.name)
    evaluate = ["evaluate", settings.out, "--dataset", settings.dataset]
    evaluate += clip_flags(settings, "root", "test_list", "class_names", "folder_layout", "hold_out")
    if resolve_device(settings.device).type == "cpu":
        epochs = max(1, min(_MOST_EPOCHS, _CLIP_PASSES // plan.num_clips))
        evaluate += ["--epochs", str(epochs), "--runs", "1"]
    commands = [
        ["inspect", settings.out],
        ["preview", settings.out, "--out", f"{picture}.png"],
        ["report", settings.out, "--out", f"{picture}.html"],
    ]
    if plan.frame_shape[1] >= SMALLEST_SIZE:
        commands.append(evaluate)
    return "\nnext: " + "\n      ".join(_output.command_text("dfs", *words) for words in commands)
