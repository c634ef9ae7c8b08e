"""`dfs inspect`: shows a store's content and size."""

from typing import TYPE_CHECKING, Any

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from ..options import shared

if TYPE_CHECKING:
    from dfs_store.format import KeyFrameStore, StorageReport

BAR_WIDTH = 40
CLASSES_SHOWN = 20
READ_PATHS = {
    "fast": "fast: laid out as dfs-store writes it",
    "general": "general: compressed or laid out by another tool; dfs convert makes it fast",
}


@command
def inspect(
    store: shared.Store,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Show a store's header, its storage, and its key frames per clip and class."""
    from dfs_store.format import open_store

    with open_store(store) as opened:
        content = describe(opened)
        if json:
            _output.document("dfs.inspect/1", content)
        elif quiet:
            _output.echo(_headline(content, opened.storage))
        else:
            _output.echo(_text(content, opened, verbose=verbose))


def describe(store: "KeyFrameStore") -> dict[str, Any]:
    """Returns the content of `dfs inspect --json`, without the schema."""
    from dfs_store.report.tables import key_frames_per_clip

    provenance = store.provenance
    return {
        "format_version": store.attributes["format_version"],
        "container": store.container,
        "path": str(store.path),
        "method": provenance.get("method"),
        "dataset": provenance.get("dataset"),
        "num_classes": len(store.class_names),
        "class_names": list(store.class_names),
        "num_clips": len(store),
        "num_frames": store.num_frames,
        "frame_shape": list(store.frame_shape),
        "dtype": store.dtype,
        "frame_encoding": store.attributes.get("frame_encoding"),
        "read_path": store.read_path,
        "normalization": store.normalization,
        "num_key_frames": int(store.offsets[-1]),
        "key_frames_per_clip": key_frames_per_clip(store.offsets),
        "storage": store.storage.to_json(),
        "digest": store.attributes.get("digest"),
        "content_digest": store.content_digest,
        "provenance": provenance,
    }


def _headline(content: dict[str, Any], storage: "StorageReport") -> str:
    height, width = content["frame_shape"][1:]
    of = "" if storage.method_arrays == "key frames" else f" of {storage.method_arrays}"
    return (
        f"{content['path']}: {counted(content['num_clips'], 'clip')} of "
        f"{content['num_frames']}x{height}x{width}, {counted(content['num_classes'], 'class')}, "
        f"{counted(content['num_key_frames'], 'key frame')}, {_output.mebibytes(storage.method_bytes)}{of}"
    )


def _text(content: dict[str, Any], store: "KeyFrameStore", *, verbose: bool) -> str:
    from dfs_store.report.tables import class_counts

    classes = class_counts(store)
    parts = [
        _headline(content, store.storage),
        "",
        _output.table(_header_rows(content)),
        "",
        "storage",
        _output.table(_storage_rows(store), indent="  "),
        "",
        "key frames per clip",
        _output.table(_histogram_rows(content), indent="  "),
        "",
        "classes",
        _output.table(_class_rows(classes, len(classes) if verbose else CLASSES_SHOWN), indent="  "),
    ]
    if verbose:
        import json as json_module

        provenance = {k: v for k, v in content["provenance"].items() if k != "sources"}
        parts += ["", "provenance", json_module.dumps(provenance, indent=2, ensure_ascii=False)]
    return "\n".join(parts)


def _header_rows(content: dict[str, Any]) -> list[tuple[str, ...]]:
    provenance = content["provenance"]
    normalization = content["normalization"]
    rows: list[tuple[str, ...]] = [
        ("format", f"{content['format_version']}, {content['container']}, {_stored(content)}"),
        ("read path", READ_PATHS[content["read_path"]]),
        ("method", str(content["method"] or "not recorded")),
        ("dataset", str(content["dataset"] or "not recorded")),
        ("vpc, seed", f"{provenance.get('vpc', 'not recorded')}, {provenance.get('seed', 'not recorded')}"),
        ("created", str(provenance.get("created", "not recorded"))),
        ("content", f"{content['content_digest'][:16]}, equal for equal clips"),
    ]
    if normalization:
        mean, std = (" ".join(f"{v:.3f}" for v in normalization[k]) for k in ("mean", "std"))
        rows.append(("normalised", f"mean {mean}, std {std}"))
    else:
        rows.append(("normalised", "no: values are as stored"))
    return rows


def _storage_rows(store: "KeyFrameStore") -> list[tuple[str, ...]]:
    from dfs_store.report.tables import storage_rows

    dense = store.storage.dense_bytes
    rows = [
        (name, _output.size_text(size), f"{100 * size / dense:6.2f} %", formula)
        for name, size, formula in storage_rows(store)
    ]
    return [("", "", "of dense float32", ""), *rows]


def _stored(content: dict[str, Any]) -> str:
    """Describes how key frames are stored, with the quality and loss if they are encoded."""
    if content["frame_encoding"] is None:
        return str(content["dtype"])
    name = content["frame_encoding"]["name"]
    return _output.encoding_text(name, content["provenance"].get("frame_encoding"))


def _histogram_rows(content: dict[str, Any]) -> list[tuple[str, ...]]:
    stats = content["key_frames_per_clip"]
    most = max(stats["histogram"].values())
    rows: list[tuple[str, ...]] = [
        (number, f"{clips:,}", "#" * max(1, round(BAR_WIDTH * clips / most)))
        for number, clips in stats["histogram"].items()
    ]
    return [*rows, ("mean", f"{stats['mean']:.2f}", f"of {content['num_frames']} frames")]


def _class_rows(per_class: list[tuple[str, int, int]], shown: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("class", "clips", "key frames", "per clip")]
    for name, clips, keys in per_class[:shown]:
        rows.append((name, f"{clips:,}", f"{keys:,}", f"{keys / clips:.2f}" if clips else "-"))
    if len(per_class) > shown:
        rows.append((f"... {len(per_class) - shown} more (-v shows all)",))
    return rows
