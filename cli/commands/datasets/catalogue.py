"""`dfs datasets list` and `dfs datasets info`: the known datasets and their files."""

from typing import TYPE_CHECKING, Any

import typer

from dfs_store.names import counted

from ... import _output
from ..._exit_codes import command
from ...options import shared
from ...options.groups import takes
from ...options.of_settings import options_of
from . import cache, prepare

if TYPE_CHECKING:
    from dfs_store.videos import DatasetInfo

app = typer.Typer(
    help="List known datasets, prepare their clips, and manage the cache.", no_args_is_help=True
)

CLASSES_SHOWN = 20


@app.command("list")
@command
def list_datasets(
    json: shared.Json = False, quiet: shared.Quiet = False, verbose: shared.Verbose = False
) -> None:
    """List the datasets that can be used by name."""
    from dfs_store.videos import CATALOGUE

    if json:
        _output.document("dfs.datasets/1", {"datasets": [_facts(info) for info in CATALOGUE.values()]})
    elif quiet:
        _output.echo("\n".join(CATALOGUE))
    else:
        rows: list[tuple[str, ...]] = [("name", "classes", "train", "test", "clips", "")]
        for info in CATALOGUE.values():
            counts = [f"{info.num_clips[part]:,}" if info.num_clips else "any" for part in ("train", "test")]
            rows.append((info.name, str(_facts(info)["num_classes"]), *counts, _shape(info), info.title))
        _output.echo(_output.table(rows))
        _output.echo(
            "\nA folder of class folders or a list of videos can also be used as a dataset.\n"
            "`dfs datasets info NAME` describes a dataset."
        )


@app.command("info")
@command
@takes(shared.SOURCE, options_of("split"), first=True)
def info_dataset(
    name: shared.DatasetName,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **given: Any,  # noqa: ANN401 - where the clips are
) -> None:
    """Describe a dataset, the files that it needs, and the files that were found."""
    from dfs_store.videos.opening import describe

    info = describe(name)
    facts = _facts(info)
    how = {option: given[option] for option in shared.SOURCE} | {"official_split": given["split"] or 1}
    found = {part: _found(name, part, how) for part in ("train", "test")} if info.layout else {}
    if json:
        _output.document("dfs.dataset/1", {**facts, "found": found})
        return
    lines: list[tuple[str, ...]] = [
        ("name", info.name if info.name not in ("folder", "list") else name),
        ("what", info.title),
        ("clips", _shape(info)),
        ("reported score", facts["metric"]),
        ("from", info.source or "you"),
        ("files", info.files),
    ]
    if info.num_clips:
        lines.insert(2, ("whole set", ", ".join(f"{n:,} {part}" for part, n in info.num_clips.items())))
    here = {f"{part} here": _found_text(what) for part, what in found.items()}
    if len(set(here.values())) == 1 and all("error" in what for what in found.values()):
        here = {"here": next(iter(here.values()))}
    lines += here.items()
    _output.echo(_output.table(lines))
    remarks = {remark: part for part, what in reversed(found.items()) for remark in what.get("remarks", ())}
    if remarks and not quiet:
        told = "".join(f"\n  {part}: {remark}" for remark, part in reversed(remarks.items()))
        _output.echo(f"\nremarks{told}")
    classes = next((what["classes"] for what in found.values() if "classes" in what), facts["classes"])
    if classes and not quiet:
        shown = classes if verbose else classes[:CLASSES_SHOWN]
        more = f" ... {len(classes) - len(shown)} more (-v shows all)" if len(shown) < len(classes) else ""
        _output.echo(f"\n{counted(len(classes), 'class')}: {', '.join(shown)}{more}")


def _facts(info: "DatasetInfo") -> dict[str, Any]:
    classes = list(info.classes)
    if info.is_built_in:
        from dfs_store.videos.built_in import BUILT_IN

        classes = list(BUILT_IN[info.name].class_names)
    return {
        "name": info.name,
        "title": info.title,
        "num_classes": info.num_classes or len(classes) or None,
        "num_clips": info.num_clips or None,
        "classes": classes,
        "metric": info.metric,
        "sampling": info.sampling.to_json(),
        "official_splits": info.official_splits,
        "source": info.source,
        "files": info.files,
    }


def _shape(info: "DatasetInfo") -> str:
    sampling = info.sampling
    return f"{sampling.frames}x{sampling.size}x{sampling.size}"


def _found(name: str, part: str, how: dict[str, Any]) -> dict[str, Any]:
    from dfs_store.errors import DFSError
    from dfs_store.videos import find_clips

    try:
        clips = find_clips(name, split=part, **how)
    except DFSError as error:
        return {"error": str(error)}
    return {
        "root": str(clips.root),
        "num_clips": len(clips.clips),
        "classes": clips.classes,
        "absent_classes": clips.absent_classes,
        "missing": clips.missing,
        "remarks": clips.remarks,
    }


def _found_text(what: dict[str, Any]) -> str:
    if "error" in what:
        return f"no: {what['error']}"
    clips = f"{counted(what['num_clips'], 'clip')} of {counted(len(what['classes']), 'class')}"
    parts = [f"{clips} in {what['root']}"]
    if what["missing"]:
        parts.append(f"missing: {counted(len(what['missing']), 'listed file')}")
    if what["absent_classes"]:
        parts.append(f"without a folder: {counted(len(what['absent_classes']), 'class')}")
    return "; ".join(parts)


app.command("prepare")(prepare.prepare)
app.command("cache")(cache.cache)
