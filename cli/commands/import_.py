"""`dfs import`: creates a store from other programs' clips or from a folder of videos."""

from typing import TYPE_CHECKING, Any

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from ..options import import_ as flags
from ..options import shared

if TYPE_CHECKING:
    from dfs_store.exchange.imports.import_clips import Imported, ImportSettings


@command
def import_(
    source: flags.Source,
    out: flags.Out,
    classes: flags.Classes = None,
    normalization: flags.Normalization = None,
    dtype: shared.Dtype = None,
    encoding: shared.Encoding = None,
    key_frames: flags.KeyFrames = None,
    max_error: flags.MaxError = None,
    budget: flags.Budget = None,
    dataset: flags.Dataset = None,
    fps: flags.Fps = None,
    layout: flags.Layout = None,
    labels: flags.Labels = None,
    clips_per_class: flags.ClipsPerClass = None,
    clips_key: flags.ClipsKey = None,
    labels_key: flags.LabelsKey = None,
    frames: flags.Frames = None,
    stride: flags.Stride = None,
    size: flags.Size = None,
    resize: flags.Resize = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Make a store from a file of clips or a folder of videos.

    Keeps all frames, or fits key frames with --key-frames, --max-error or --budget.

    dfs import synthetic.pt syn.zarr --clips-per-class 5
    """
    given_flags = dict(locals())  # first, while the parameters are the only local names
    from dfs_store.exchange.imports.import_clips import import_clips
    from dfs_store.format import open_store

    from ..shown.prepare_progress import shown_on

    settings = _settings(source, given_flags)
    with _output.Progress("import", quiet=quiet) as progress:
        shown = {"on_progress": progress.update, "on_prepare": shown_on(progress)}
        done = import_clips(source, out, settings, overwrite=overwrite, **shown)  # type: ignore[arg-type]
    with open_store(out) as store:
        found = {
            "source_path": source,
            "out": out,
            **done.to_json(),
            "num_frames": store.num_frames,
            "frame_shape": list(store.frame_shape),
            "class_names": store.class_names,
            "dtype": store.dtype,
            "frame_encoding": store.attributes.get("frame_encoding"),
            "storage": store.storage.to_json(),
        }
    if json:
        _output.document("dfs.import/1", found)
        return
    if not quiet:
        for remark in done.notes:
            _output.note(f"note: {remark}")
    hint = "" if quiet else f"\nnext: {_output.command_text('dfs', 'inspect', found['out'])}"
    _output.echo(_text(found, done, store.stored_as) + hint)


def _settings(source: str, typed: dict[str, Any]) -> "ImportSettings":
    """Builds the settings. Raises SettingsError for flags that apply only to the other kind of source."""
    from pathlib import Path

    from dfs_store.errors import SettingsError
    from dfs_store.exchange.imports.fitting import Fitting
    from dfs_store.exchange.imports.import_clips import ImportSettings
    from dfs_store.exchange.imports.read_file import FileOptions
    from dfs_store.exchange.imports.read_folder import FolderOptions

    of_file = ("layout", "labels", "clips_per_class", "clips_key", "labels_key")
    of_folder = ("frames", "stride", "size", "resize")
    is_folder = Path(source).is_dir()
    for name in of_file if is_folder else of_folder:
        if typed[name] is not None:
            flag = f"--{name.replace('_', '-')}"
            kinds = ("files", "a folder") if is_folder else ("folders of videos", "not a folder")
            raise SettingsError(
                f"{flag} applies only to {kinds[0]}, but {source} is {kinds[1]}; leave out {flag}"
            )
    own = {name: typed[name] for name in of_file if typed[name] is not None}
    fitting = Fitting(typed["key_frames"], typed["max_error"], typed["budget"])
    common = ("normalization", "dataset", "fps")
    return ImportSettings(
        file=FileOptions(classes=typed["classes"], **own),
        folder=FolderOptions(classes=typed["classes"], **{name: typed[name] for name in of_folder}),
        dtype=typed["dtype"],
        encoding=typed["encoding"],
        fitting=fitting,
        **{name: typed[name] for name in common},
    )


def _text(found: dict[str, Any], done: "Imported", stored_as: str) -> str:
    height, width = found["frame_shape"][1:]
    error = (
        "" if done.rms_error is None else f", rebuilt within {done.rms_error:.3g} grey levels of 255 (RMS)"
    )
    return (
        f"{found['out']}: {counted(done.num_clips, 'clip')} of {found['num_frames']}x{height}x{width} "
        f"({done.source['layout']}), {counted(len(found['class_names']), 'class')}, "
        f"{counted(done.num_key_frames, 'key frame')}, {stored_as}, "
        f"{_output.size_text(found['storage']['on_disk_bytes'])} on disk{error}"
    )
