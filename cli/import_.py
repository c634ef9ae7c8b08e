"""`dfs import`: dense clips of other programs, or a folder of videos, become a store."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import _exchange_options as given
from . import _options, _output
from ._exit_codes import command

if TYPE_CHECKING:
    from dfs_store.exchange.import_clips import Imported, ImportSettings

FILE = "A file of clips"
FOLDER = "A folder of class folders"
Text = str | None


@command
def import_(
    source: Annotated[
        str, typer.Argument(metavar="FILE|FOLDER", help=".pt, .npy, .npz, .safetensors, or <class>/<clips>.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The store; the suffix names the container.")],
    classes: Annotated[
        Text,
        typer.Option(
            "--classes",
            metavar="FILE|A,B",
            help="Names of the classes in the order of their labels; of a folder: only these.",
        ),
    ] = None,
    normalization: Annotated[
        Text,
        typer.Option(
            "--normalization",
            metavar="imagenet|none|MEAN/STD",
            help="What floats were, and pixels are, normalised with.",
            show_default="the source's, else imagenet",
        ),
    ] = None,
    dtype: given.Dtype = None,
    key_frames: Annotated[
        int | None, typer.Option("--key-frames", metavar="K", help="At most K per clip, fitted.")
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            "--max-error", metavar="LEVELS", help="As few key frames as stay within this RMS, of 255."
        ),
    ] = None,
    budget: Annotated[
        Text, typer.Option("--budget", metavar="SIZE", help="As many as all clips' bytes allow: 20MiB.")
    ] = None,
    dataset: Annotated[Text, typer.Option("--dataset", help="What the clips derive from.")] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames per second, for playback.")] = None,
    layout: Annotated[
        Text,
        typer.Option(
            "--layout", help="auto, NTCHW, NCTHW or NTHWC.", show_default="auto", rich_help_panel=FILE
        ),
    ] = None,
    labels: Annotated[
        Text, typer.Option("--labels", metavar="FILE", help="Labels or class names.", rich_help_panel=FILE)
    ] = None,
    clips_per_class: Annotated[
        int | None,
        typer.Option(
            "--clips-per-class", "--vpc", metavar="V", help="They lie class by class.", rich_help_panel=FILE
        ),
    ] = None,
    clips_key: Annotated[
        Text, typer.Option("--clips-key", help="Which array holds the clips.", rich_help_panel=FILE)
    ] = None,
    labels_key: Annotated[
        Text, typer.Option("--labels-key", help="Which array holds the labels.", rich_help_panel=FILE)
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Frames per clip (T).", rich_help_panel=FOLDER)
    ] = None,
    stride: Annotated[
        int | None, typer.Option("--stride", help="Interval between frames.", rich_help_panel=FOLDER)
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Height and width, pixels.", rich_help_panel=FOLDER)
    ] = None,
    resize: Annotated[
        Text,
        typer.Option("--resize", help="keep-crop, stretch-crop or direct.", rich_help_panel=FOLDER),
    ] = None,
    overwrite: given.Overwrite = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
    verbose: _options.Verbose = False,
) -> None:
    """Make a store of clips that other programs saved, or of a folder of videos: dense, or as key frames.

    dfs import synthetic.pt syn.zarr --clips-per-class 5
    """
    given_flags = dict(locals())  # before anything else is bound: exactly the parameters
    from dfs_store.exchange.import_clips import import_clips
    from dfs_store.format import open_store

    from ._prepare_progress import shown_on

    settings = _settings(source, given_flags)
    with _output.Progress("import", quiet=quiet) as progress:
        done = import_clips(
            source,
            out,
            settings,
            overwrite=overwrite,
            on_progress=progress.update,
            on_prepare=shown_on(progress),
        )
    with open_store(out) as store:
        found = {
            "source_path": source,
            "out": out,
            **done.to_json(),
            "num_frames": store.num_frames,
            "frame_shape": list(store.frame_shape),
            "class_names": store.class_names,
            "dtype": store.dtype,
            "storage": store.storage.to_json(),
        }
    if json:
        _output.document("dfs.import/1", found)
        return
    if not quiet:
        for remark in done.notes:
            _output.note(f"note: {remark}")
    _output.echo(_text(found, done))


def _settings(source: str, flags: dict[str, Any]) -> "ImportSettings":
    """Sorts the flags, and refuses those that the other kind of source has."""
    from pathlib import Path

    from dfs_store.errors import SettingsError
    from dfs_store.exchange.fitting import Fitting
    from dfs_store.exchange.import_clips import ImportSettings
    from dfs_store.exchange.read_file import FileOptions
    from dfs_store.exchange.read_folder import FolderOptions

    of_file = ("layout", "labels", "clips_per_class", "clips_key", "labels_key")
    of_folder = ("frames", "stride", "size", "resize")
    is_folder = Path(source).is_dir()
    for name in of_file if is_folder else of_folder:
        if flags[name] is not None:
            flag, other = f"--{name.replace('_', '-')}", "files" if is_folder else "folders of videos"
            raise SettingsError(f"{flag} is for {other}, and {source} is none; leave it out")
    own = {name: flags[name] for name in of_file if flags[name] is not None}
    fitting = Fitting(flags["key_frames"], flags["max_error"], flags["budget"])
    common = ("normalization", "dataset", "fps")
    return ImportSettings(
        file=FileOptions(classes=flags["classes"], **own),
        folder=FolderOptions(classes=flags["classes"], **{name: flags[name] for name in of_folder}),
        dtype=flags["dtype"] or "float32",
        fitting=fitting,
        **{name: flags[name] for name in common},
    )


def _text(found: dict[str, Any], done: "Imported") -> str:
    height, width = found["frame_shape"][1:]
    error = (
        "" if done.rms_error is None else f", rebuilt within {done.rms_error:.3g} grey levels of 255 (RMS)"
    )
    return (
        f"{found['out']}: {done.num_clips:,} clips of {found['num_frames']}x{height}x{width} "
        f"({done.source['layout']}), {len(found['class_names']):,} classes, "
        f"{done.num_key_frames:,} key frames, {found['dtype']}, "
        f"{_output.size_text(found['storage']['on_disk_bytes'])} on disk{error}\n"
        f"next: dfs inspect {found['out']}"
    )
