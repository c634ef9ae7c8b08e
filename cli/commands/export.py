"""`dfs export`: writes rebuilt clips in formats that other programs can read."""

from typing import TYPE_CHECKING

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from ..options import export as flags
from ..options import shared

if TYPE_CHECKING:
    from dfs_store.exchange.exports.export import Exported

SHOWN = 12  # number of renamed class folders to list in a note


@command
def export(
    store: flags.Store,
    to: flags.To,
    out: flags.Out,
    encoding: flags.Encoding = None,
    fps: flags.Fps = None,
    classes: shared.StoreClasses = None,
    shard_size: flags.ShardSize = "256MiB",
    license_name: flags.LicenseName = "unknown",
    with_store: flags.WithStore = True,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Export a store as videos, images, NumPy arrays, or a dataset to publish.

    dfs export ucf.zarr --to videos --out clips
    """
    from dfs_store.byte_sizes import parse_bytes
    from dfs_store.exchange.exports.export import ExportSettings, export_store
    from dfs_store.format.io.place import shown_place

    settings = ExportSettings(
        to=to,
        encoding=encoding,
        fps=fps,
        shard_bytes=parse_bytes(shard_size, "--shard-size"),
        license=license_name,
        with_store=with_store,
    )
    with _output.Progress("export", quiet=quiet) as progress:
        done = export_store(
            store,
            out,
            settings,
            classes=shared.class_list(classes),
            overwrite=overwrite,
            on_progress=progress.update,
        )
    if json:
        _output.document(
            "dfs.export/1", {"store": shown_place(store), "out": out, "to": to, **done.to_json()}
        )
        return
    if not quiet:
        _notes(done, folders=to in ("videos", "frames", "huggingface"))
    _output.echo(
        f"{out}: {counted(done.clips, 'clip')} as {to} ({done.encoding}), "
        f"{counted(done.files, 'file')}, {_output.size_text(done.bytes)}"
    )


def _notes(done: "Exported", *, folders: bool) -> None:
    renamed = [(name, folder) for name, folder in done.class_folders.items() if name != folder]
    if folders and renamed:
        some = ", ".join(f"{_short(name)} is {_short(folder)}" for name, folder in renamed[:SHOWN])
        more = f" and {len(renamed) - SHOWN} more" if len(renamed) > SHOWN else ""
        _output.note(f"note: renamed class folders: {some}{more}; the JSON lists contain the original names")
    if done.cut_share:
        _output.note(
            f"note: {100 * done.cut_share:.2g} % of the values are outside the range of pixels and were "
            "clipped; --to npz --encoding float32 keeps them"
        )


def _short(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"
