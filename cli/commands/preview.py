"""`dfs preview`: draws pictures of one or more stores."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.names import counted

from .. import _output
from .._exit_codes import command
from ..options import chosen_clips as which
from ..options import preview as given
from ..options import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from dfs_store.format import KeyFrameStore
    from dfs_store.pictures import PicturedClip
    from dfs_store.pictures.preview import Beside, Preview

MOST_FILMED = 16
FILMED_UNASKED = 9


@command
def preview(
    stores: given.Stores,
    out: given.Out,
    kind: given.Kind = None,
    making: given.Making = False,
    classes: which.Classes = None,
    clips: which.Clips = None,
    per_class: which.PerClass = None,
    rebuilt: given.Rebuilt = "dim",
    rows: given.Rows = None,
    theme: given.Theme = "light",
    fps: given.Fps = None,
    nearest: given.Nearest = False,
    events: given.Events = None,
    dataset: given.Dataset = None,
    root: shared.Root = None,
    overwrite: shared.Overwrite = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Draw a store as a contact sheet, film or chart, or compare several stores.

    dfs preview ucf.zarr --out sheet.png

    dfs preview ucf.zarr --out clip.mp4 --clip 3

    dfs preview ucf.zarr --making --out film.gif
    """
    from dfs_store import open_store
    from dfs_store.format.io.place import shown_place
    from dfs_store.pictures.preview import Preview

    from ..shown.picture_files import check_outside, pages_left

    path, choice = Path(out), (classes, clips, per_class)
    kind = _kind(kind, path, nearest=nearest, making=making, num_stores=len(stores))
    for store in stores:
        check_outside(path, store)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(open_store(store)) for store in stores]
        if kind == "rows":
            found = _rows(opened, choice, path, (rebuilt, theme), overwrite=overwrite)
        else:
            chosen = which.chosen_clips(opened[0], *choice)
            if kind in ("film", "making"):
                chosen = _filmed(opened[0], chosen, asked=clips is not None or per_class is not None)
            chosen = chosen[:1] if kind == "cosine" else chosen
            drawing = Preview(opened[0], chosen, rebuilt=rebuilt, theme=theme, rows=rows)
            real = (nearest, dataset, root)
            found = _picture(drawing, kind, path, fps, events, real, overwrite=overwrite, quiet=quiet)
    about = [shown_place(store) for store in stores]
    named = {"store": about[0]} if len(stores) == 1 else {"stores": about}
    if json:
        _output.document("dfs.preview/1", {**named, "kind": kind, **found})
    else:
        _output.echo(_text(found, kind, len(stores)))
    if (left := pages_left(list(map(Path, found["files"])))) and not quiet:
        more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
        _output.note(f"note: {left[0]}{more} looks like a page of an earlier picture")


def _picture(
    drawing: "Preview",
    kind: str,
    path: Path,
    fps: float | None,
    events: str | None,
    real: tuple[bool, str | None, str | None],
    *,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Draws a picture of a store. Returns the clips, the files, and the total size of the files in bytes."""
    from ..shown.picture_files import check_free, page_paths, write_files

    if kind in ("cosine", "timeline"):
        drawing.check_insertion()
    files = page_paths(path, drawing.num_pages(kind) if path.suffix.lower() == ".png" else 1)
    check_free(files, overwrite=overwrite)
    beside = _real_clips(drawing, *real, quiet=quiet)
    with _output.Progress("preview", quiet=quiet or len(files) == 1) as progress:
        pictures = _drawn(drawing, kind, path, fps, beside, events)
        sizes = []
        for size in write_files(files, pictures):
            sizes.append(size)
            progress.update(len(sizes), len(files), files[len(sizes) - 1].name)
    return {"clips": drawing.clips, "files": list(map(str, files)), "size_bytes": sum(sizes)}


def _rows(
    stores: "list[KeyFrameStore]",
    choice: tuple[str | None, str | None, int | None],
    path: Path,
    look: tuple[str, str],
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Like `_picture`, for rows with the same clips of several stores; by default only clip 0."""
    from dfs_store.pictures.preview import image_bytes, rows_of_stores

    from ..shown.picture_files import check_free, write_files

    first = which.chosen_clips(stores[0], *choice) if choice != (None, None, None) else [0]
    chosen = [first, *(which.clips_as_in(stores[0], first, other) for other in stores[1:])]
    check_free([path], overwrite=overwrite)
    page = rows_of_stores(stores, chosen, rebuilt=look[0], theme=look[1])
    picture = image_bytes([page], path.suffix.lower())
    return {"clips": first, "files": [str(path)], "size_bytes": sum(write_files([path], [picture]))}


def _kind(kind: str | None, path: Path, *, nearest: bool, making: bool, num_stores: int) -> str:
    """Returns the kind of picture, and checks that the file name matches it."""
    from dfs_store.errors import SettingsError
    from dfs_store.names import known_name
    from dfs_store.pictures.charts import CHART_SUFFIXES
    from dfs_store.pictures.film import FILM_SUFFIXES

    from ..shown.picture_files import check_picture_path

    sheets = (".png", ".pdf")
    charts = dict.fromkeys(("timeline", "storage", "cosine"), CHART_SUFFIXES)
    suffixes = {"sheet": sheets, "flow": sheets, "film": FILM_SUFFIXES, **charts}
    if making or num_stores > 1:
        what = "--making" if making else f"a picture of {num_stores} stores"
        if making and num_stores > 1:
            raise SettingsError(f"--making shows the run of a single store, got {num_stores} stores")
        if kind is not None:
            raise SettingsError(f"{what} cannot be combined with --kind {kind}; leave out --kind")
        kind = "making" if making else "rows"
        check_picture_path(path, FILM_SUFFIXES if making else sheets, what)
    elif kind is None:
        kind = "film" if path.suffix.lower() in FILM_SUFFIXES else "sheet"
        check_picture_path(path, (*sheets, *FILM_SUFFIXES), "a preview")
    else:
        known_name(kind, suffixes, "--kind")
        check_picture_path(path, suffixes[kind], f"a {kind}")
    if nearest and kind != "film":
        raise SettingsError(f"--nearest needs a film (.gif or .mp4), got a {kind}")
    return kind


def _filmed(store: "KeyFrameStore", chosen: list[int], *, asked: bool) -> list[int]:
    """Returns the clips for a film: the chosen ones, or the first clips of a few classes."""
    from dfs_store.errors import SettingsError

    if not asked:
        first: dict[int, int] = {}
        for clip in chosen:
            first.setdefault(int(store.labels[clip]), clip)
        return list(first.values())[:FILMED_UNASKED]
    if len(chosen) > MOST_FILMED:
        raise SettingsError(
            f"a film shows at most {MOST_FILMED} clips, got {len(chosen):,}; choose some with --clips, "
            "--classes or --per-class"
        )
    return chosen


def _drawn(
    drawing: "Preview",
    kind: str,
    path: Path,
    fps: float | None,
    beside: "Beside | None",
    events: str | None,
) -> "Iterator[bytes]":
    from dfs_store.pictures.preview import image_bytes

    suffix = path.suffix.lower()
    if kind in ("sheet", "flow"):
        pages = drawing.sheets(_flows if kind == "flow" else None)
        if suffix == ".pdf":
            yield image_bytes(list(pages), suffix)
        else:
            yield from (image_bytes([page], suffix) for page in pages)
    elif kind == "film":
        yield drawing.film(suffix, fps, beside)
    elif kind == "making":
        yield _making(drawing, suffix, fps)
    elif kind == "cosine":
        yield drawing.cosines(suffix, _events(drawing, events))
    else:
        yield drawing.timeline(suffix) if kind == "timeline" else drawing.storage(suffix)


def _making(drawing: "Preview", suffix: str, fps: float | None) -> bytes:
    from dfs_store import open_store
    from dfs_store.condense.runtime.snapshots import snapshots_of

    with contextlib.ExitStack() as stack:
        snapshots = {
            steps: stack.enter_context(open_store(path))
            for steps, path in snapshots_of(drawing.store).items()
        }
        return drawing.making(suffix, snapshots, fps)


def _flows(clip: "PicturedClip") -> "list[npt.NDArray[np.uint8]]":
    import numpy as np

    from dfs_store.evaluate.motion import flow_colours, frame_flows

    flows = list(frame_flows(np.float32(1 / 255) * np.asarray(clip.pixels).transpose(0, 3, 1, 2)))
    # Scaled to the clip's largest motion, since condensed clips move less than real ones.
    largest = float(np.percentile(np.linalg.norm(np.stack(flows), axis=-1), 99))
    return [flow_colours(flow, max(largest, 0.5)) for flow in flows]


def _events(drawing: "Preview", events: str | None) -> list[dict[str, Any]]:
    """Reads the log of the run that made the store. A log given with --events may be from another run."""
    from dfs_store.condense.runtime.event_log import event_log_path, read_events
    from dfs_store.errors import SettingsError, StoreNotFoundError

    path = Path(events) if events is not None else event_log_path(drawing.store.path)
    try:
        lines = read_events(path, named=events is not None)
    except OSError as error:
        raise StoreNotFoundError(
            f"the cosines are in the log of the run, but {path} cannot be read ({error.strerror}); pass the "
            "path of the log with --events"
        ) from error
    made = [line.get("digest") for line in lines if line["event"] == "store_written"]
    if events is None and drawing.store.attributes["digest"] not in made:
        raise SettingsError(
            f"{path} seems to be the log of a different store or of an unfinished run; if it is the right "
            "log, pass it with --events"
        )
    return lines


def _real_clips(
    drawing: "Preview", nearest: bool, dataset: str | None, root: str | None, *, quiet: bool
) -> "Beside | None":
    """Returns a function that finds the real clip nearest to a clip, or None if --nearest is not set."""
    if not nearest:
        return None
    from dfs_store.evaluate.nearest import nearest_real_clip
    from dfs_store.videos.of_store import StoreVideos, clips_of_store

    from .._videos import open_with_progress

    asked = clips_of_store(drawing.store, StoreVideos(dataset or "", root))
    videos = open_with_progress(asked, "train", quiet=quiet)

    def beside(clip: "PicturedClip") -> "tuple[npt.NDArray[np.uint8], str]":
        import numpy as np

        number, difference = nearest_real_clip(np.asarray(clip.pixels), videos, clip.class_name)
        source = videos.source(number)
        name = str(source.get("file", f"clip {number}")).rpartition("/")[2]
        return videos.pixels[number, 0], f"RMS {difference:.0f}: {name}"

    return beside


def _text(found: dict[str, Any], kind: str, num_stores: int) -> str:
    files, number = found["files"], len(found["clips"])
    of = f" of {num_stores} stores" if num_stores > 1 else ""
    clips = counted(number, "clip")
    where = files[0] if len(files) == 1 else f"{files[0]} to {files[-1]}"
    return f"{where}: {kind} of {clips}{of}, {_output.size_text(found['size_bytes'])}"
