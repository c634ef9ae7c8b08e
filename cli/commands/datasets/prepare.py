"""`dfs datasets prepare`: decodes the clips of a dataset into the cache."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfs_store.names import counted

from ... import _output
from ..._completion import one_of
from ..._exit_codes import command
from ...options import shared
from ...options.groups import takes
from ...options.of_settings import clip_flags
from ...shown.prepare_progress import shown_on

if TYPE_CHECKING:
    from dfs_store.videos import DatasetInfo
    from dfs_store.videos.cache.shards import Shard as ShardOfFiles

FILES_SHOWN = 20

Part = Annotated[
    str | None,
    typer.Option(
        "--part",
        help="Part to decode: train or test.",
        show_default="both",
        autocompletion=one_of("train", "test"),
        metavar="PART",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Number of decoding processes.", show_default="one per core"),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory limit for all decoding processes together, for example 8GiB.",
    ),
]
Runs = Annotated[
    int,
    typer.Option(
        "--runs",
        min=0,
        metavar="N",
        help="Prepare random starts for N runs of `dfs evaluate`; use 0 for the strict protocol.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="Decode only one shard: for example 3/16, auto (Slurm) or auto/16 (Kubernetes).",
        metavar="I/N|auto",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        help="Decode on this machine (local), or as Ray tasks on machines that share a cache (ray).",
        metavar="local|ray",
        autocompletion=one_of("local", "ray"),
    ),
]


@command
@takes(shared.SOURCE, shared.SAMPLING, shared.DECODER, first=True)
def prepare(
    name: shared.DatasetName,
    part: Part = None,
    runs: Runs = 5,
    workers: Workers = None,
    max_memory: MaxMemory = None,
    shard: Shard = None,
    engine: Engine = "local",
    seed: shared.Seed = 0,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **given: Any,  # noqa: ANN401 - which clips, and how they are sampled
) -> None:
    """Decode the clips of a dataset into the cache.

    If interrupted, run the same command again to continue.

    For each test video, stores the centre clip, and a clip with a random start for each of the three test
    passes of every run.
    """
    from dfs_store.byte_sizes import parse_bytes
    from dfs_store.evaluate.published import PAPER_TEST_PASSES
    from dfs_store.videos.opening import check_part, describe

    how = {option: given.pop(option) for option in shared.SOURCE}
    how |= {"classes": shared.class_list(given.pop("classes")), "official_split": given.pop("split") or 1}
    options = {
        **how,
        **given,
        "decoder": given["decoder"] or "auto",
        "seed": seed,
        "random_starts": runs * PAPER_TEST_PASSES,
        "workers": workers,
        "max_memory": parse_bytes(max_memory, "--max-memory") if max_memory else None,
    }
    if part is not None:
        check_part(part)
    share = _share(shard, engine)
    prepared = []
    for each in (part,) if part else _parts(name, how):
        if engine == "ray":
            _prepare_on_ray(name, each, options, quiet=quiet)
        if share is not None:
            prepared.append(_prepare_shard(name, each, share, options, quiet=quiet))
            text = _shard_text(prepared[-1], name)
        else:
            prepared.append(_prepare(name, each, options, quiet=quiet))
            text = _text(prepared[-1], quiet=quiet, verbose=verbose)
        if not json:
            _output.echo(text)
    if not quiet and all(each.get("complete", True) for each in prepared):
        _output.note(_ending(name, describe(name), options))
    if json:
        of_shard = {} if share is None else {"shard": str(share)}
        _output.document("dfs.prepare/1", {"dataset": name, **of_shard, "parts": prepared})


def _share(shard: str | None, engine: str) -> "ShardOfFiles | None":
    from dfs_store.errors import SettingsError
    from dfs_store.names import known_name
    from dfs_store.videos.cache.shards import Shard as ShardOfFiles

    if known_name(engine, ("local", "ray"), "--engine") == "ray" and shard is not None:
        raise SettingsError(f"--engine ray creates its own shards; leave out --shard {shard}")
    return None if shard is None else ShardOfFiles.parse(shard)


def _prepare_on_ray(name: str, part: str, options: dict[str, Any], *, quiet: bool) -> None:
    from dfs_store.videos.on_ray import prepare_on_ray

    with _output.Progress(f"prepare {part} on Ray", quiet=quiet) as progress:
        prepare_on_ray(
            name, part, on_done=lambda done, count: progress.update(done, count, "shards"), **options
        )


def _parts(name: str, how: dict[str, Any]) -> list[str]:
    """Returns the parts that a dataset has. A folder that contains only class folders has no test part."""
    from dfs_store.errors import DatasetNotFoundError
    from dfs_store.videos import find_clips
    from dfs_store.videos.files.catalogue import FOLDER, LIST
    from dfs_store.videos.opening import describe

    if describe(name) not in (FOLDER, LIST):
        return ["train", "test"]
    try:
        find_clips(name, split="test", **how)
    except DatasetNotFoundError:
        return ["train"]
    return ["train", "test"]


def _ending(name: str, info: "DatasetInfo", options: dict[str, Any]) -> str:
    """Returns the suggestion to make a dry run next, which forecasts time, memory and disk space."""
    split = options["official_split"] if info.official_splits > 1 else None
    clips = SimpleNamespace(**options, split=split)
    flags = clip_flags(clips, "root", "test_list", "class_names", "folder_layout")
    flags += clip_flags(clips, "frames", "stride", "size", "split", "classes")
    out = f"{Path(name).stem}.zarr"
    made = "" if info.layout else f"{info.name} is generated on demand and needs no preparation\n"
    words = ("--dataset", name, *flags, "--vpc", "1", "--out", out, "--dry-run")
    return f"{made}next: {_output.command_text('dfs', 'condense', *words)}"


def _prepare(name: str, part: str, options: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    from dfs_store import open_videos

    start = time.monotonic()
    with _output.Progress(f"prepare {part}", quiet=quiet) as progress:
        videos = open_videos(name, split=part, **options, on_progress=shown_on(progress))
    return {
        "part": part,
        "path": None if videos.cache_path is None else str(videos.cache_path),
        "num_clips": len(videos),
        "num_classes": len(videos.classes),
        "shape": list(videos.pixels.shape),
        "size_bytes": videos.pixels.nbytes,
        "decoders": videos.decoders,
        "failed": videos.failed,
        "notes": videos.notes,
        "missing": videos.missing,
        "remarks": videos.remarks,
        "elapsed_seconds": round(time.monotonic() - start, 3),
    }


def _prepare_shard(
    name: str, part: str, share: "ShardOfFiles", options: dict[str, Any], *, quiet: bool
) -> dict[str, Any]:
    from dfs_store.videos.opening import open_shard

    start = time.monotonic()
    with _output.Progress(f"prepare {part} {share}", quiet=quiet) as progress:
        report = open_shard(name, share, split=part, **options, on_progress=shown_on(progress))
    return {
        "part": part,
        "num_files": report.num_files,
        "num_failed": report.num_failed,
        "complete": not report.missing,
        "missing_shards": list(report.missing),
        "elapsed_seconds": round(time.monotonic() - start, 3),
    }


def _shard_text(prepared: dict[str, Any], name: str) -> str:
    failed = f", {prepared['num_failed']:,} of them could not be decoded" if prepared["num_failed"] else ""
    done = f"{prepared['part']}: {counted(prepared['num_files'], 'file')} of the shard prepared{failed}"
    if prepared["complete"]:
        return f"{done}; all shards of the part are complete"
    missing = ", ".join(str(number) for number in prepared["missing_shards"])
    return (
        f"{done}; missing: shard {missing}\n"
        f"({_output.command_text('dfs', 'datasets', 'prepare', name)} without --shard decodes all missing "
        "files)"
    )


def _text(prepared: dict[str, Any], *, quiet: bool, verbose: bool) -> str:
    clips, views, frames, height, width, _ = prepared["shape"]
    views_text = f", {counted(views, 'view')}" if views > 1 else ""
    text = (
        f"{prepared['part']}: {counted(clips, 'clip')} of {frames}x{height}x{width}{views_text}, "
        f"{counted(prepared['num_classes'], 'class')}, {_output.size_text(prepared['size_bytes'])}"
        f"{' in ' + prepared['path'] if prepared['path'] else ''}"
    )
    if quiet:
        return text
    text += "".join(f"\n  {remark}" for remark in prepared["remarks"])
    lists = (
        (
            "could not be decoded; left out",
            [f"{x['file']}: {x['reason']}" for x in prepared["failed"]],
        ),
        ("listed but not found", prepared["missing"]),
        (
            "damaged, used until the first frame that cannot be decoded",
            [f"{x['file']}: {x['note']}" for x in prepared["notes"]],
        ),
    )
    for what, files in lists:
        if files:
            shown = files if verbose else files[:FILES_SHOWN]
            more = [f"... {len(files) - len(shown):,} more (-v shows all)"] if len(shown) < len(files) else []
            lines = "".join(f"\n  {line}" for line in [*shown, *more])
            text += f"\n{counted(len(files), 'file')} {what}:{lines}"
    return text
