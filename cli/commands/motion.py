"""`dfs motion`: compares the mean optical flow of real and condensed clips, class by class."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _output
from .._exit_codes import command
from ..options import evaluate as given
from ..options import shared
from ..options.groups import takes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from dfs_store import DFSDataset
    from dfs_store.videos import VideoDataset

SUFFIXES = (".png", ".jpg", ".jpeg")


@command
@takes(shared.SOURCE)
def motion(
    store: shared.Store,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write a picture of the flow: .png or .jpg.")
    ] = None,
    dataset: given.Dataset = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
    **source: Any,  # noqa: ANN401 - where the real clips are
) -> None:
    """Compare the motion of condensed and real clips, class by class.

    Prints the cosine and end-point error between the two mean optical flows of each class.

    dfs motion ucf.zarr --out flow.png
    """
    from dfs_store import DFSDataset, open_store
    from dfs_store.evaluate import motion as flows
    from dfs_store.format.io.place import shown_place
    from dfs_store.videos.of_store import StoreVideos, clips_of_store

    from .._videos import open_with_progress
    from ..shown.picture_files import check_free, check_outside, check_picture_path

    if out is not None:  # before anything is computed
        check_picture_path(Path(out), SUFFIXES, "motion")
        check_outside(Path(out), store)
        check_free([Path(out)], overwrite=overwrite)
    with open_store(store) as opened:
        asked = clips_of_store(opened, StoreVideos(dataset or "", **source))
    videos = open_with_progress(asked, "train", quiet=quiet)
    stored = DFSDataset(store, layout="TCHW", normalization=None)
    names, real, condensed = stored.classes, [], []
    with _output.Progress("motion", quiet=quiet) as progress:
        for label, name in enumerate(names):
            progress.update(label, len(names), name)
            real.append(flows.mean_flow(_real_clips(videos, label)))
            condensed.append(flows.mean_flow(_stored_clips(stored, label)))
        progress.update(len(names), len(names), "")
    found = {"store": shown_place(store), **_compared(names, real, condensed)}
    if out is not None:
        _write(flows.flow_picture(real, condensed, names), Path(out))
    if json:
        _output.document("dfs.motion/1", found)
    else:
        _output.echo(_text(found, out))


def _compared(
    names: list[str], real: "list[npt.NDArray[np.float32]]", condensed: "list[npt.NDArray[np.float32]]"
) -> dict[str, Any]:
    """Returns the cosine and end-point error of each class whose real clips move, and their means."""
    from dfs_store.evaluate import motion as flows

    classes = dict(zip(names, zip(real, condensed, strict=True), strict=True))
    moving = {name: pair for name, pair in classes.items() if not flows.almost_still(pair[0])}
    cosines = {name: flows.mean_cosine(*pair) for name, pair in moving.items()}
    errors = {name: flows.end_point_error(*pair) for name, pair in moving.items()}
    known = [cosine for cosine in cosines.values() if cosine is not None]
    return {
        "mean_cosine": sum(known) / len(known) if known else None,
        "mean_end_point_error": sum(errors.values()) / len(errors) if errors else None,
        "per_class": {name: cosines.get(name) for name in names},
        "end_point_error_per_class": {name: errors.get(name) for name in names},
        "ignored_classes": [name for name in names if name not in moving],
    }


def _real_clips(videos: "VideoDataset", label: int) -> "Iterator[npt.NDArray[np.float32]]":
    import numpy as np

    for clip in np.flatnonzero(videos.labels == label):
        yield videos.pixels[clip, 0].transpose(0, 3, 1, 2).astype(np.float32) / 255


def _stored_clips(clips: "DFSDataset", label: int) -> "Iterator[npt.NDArray[np.float32]]":
    for number, target in enumerate(clips.targets):
        if target == label:
            yield clips[number][0].numpy()


def _write(picture: "npt.NDArray[np.uint8]", path: Path) -> None:
    import io

    from PIL import Image

    from ..shown.picture_files import write_files

    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG" if path.suffix.lower() == ".png" else "JPEG", quality=95)
    list(write_files([path], [data.getvalue()]))


def _text(found: dict[str, Any], out: str | None) -> str:
    def cosine(value: float | None) -> str:
        return "no motion" if value is None else f"{value:+.3f}"

    def error(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    errors = found["end_point_error_per_class"]
    rows: list[tuple[str, ...]] = [("", "cosine", "end-point error, pixels per frame")]
    rows += [
        (name, "ignored: almost nothing moves", "")
        if name in found["ignored_classes"]
        else (name, cosine(value), error(errors[name]))
        for name, value in found["per_class"].items()
    ]
    rows.append(("mean", cosine(found["mean_cosine"]), error(found["mean_end_point_error"])))
    head = f"{found['store']}: optical flow, condensed and real"
    drawn = [f"drawn in {out}"] if out else []
    return "\n".join([head, _output.table(rows, indent="  "), *drawn])
