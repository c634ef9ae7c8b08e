"""`dfs preview`."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dfs_store import StoreWriter, open_store
from dfs_store.evaluate.motion import flow_colours
from dfs_store.pictures.preview import FLOW_COLOURS
from tests.cli.conftest import write_store


@pytest.fixture
def inserted(tmp_path):
    """Writes a store of 40 clips in 4 classes that records when key frames were inserted."""
    config = {"iterations": 100, "warmup": 0.2, "cooldown": 0.2, "insertion": True, "epsilon": 0.0}
    attributes = {"provenance": {"method": "dfs", "dataset": "made-up", "vpc": 10, "config": config}}
    path = tmp_path / "inserted.zarr"
    with StoreWriter(
        path, num_frames=6, frame_shape=(3, 8, 8), class_names=["a", "b", "c", "d"], attributes=attributes
    ) as writer:
        for clip in range(40):
            frames = np.full((3, 3, 8, 8), 0.5, np.float32)
            writer.append(frames, [0, 1 + clip % 4, 5], clip // 10, [-1, 20 + clip, -1])
    return path


def _size(path):
    with Image.open(path) as image:
        return image.size


def test_a_sheet(dfs, store, tmp_path):
    out = tmp_path / "sheet.png"
    done = dfs("preview", store, "--out", out, "--json")
    assert done.code == 0, done.stderr
    assert done.document["schema"] == "dfs.preview/1"
    assert done.document["clips"] == [0, 1, 2]
    assert done.document["files"] == [str(out)]
    assert _size(out)[0] >= 480


def test_many_clips_are_drawn_on_several_pages(dfs, inserted, tmp_path):
    done = dfs("preview", inserted, "--out", tmp_path / "s.png", "--rows", 15, "--json")
    assert [file.rpartition("/")[2] for file in done.document["files"]] == [
        "s-01.png",
        "s-02.png",
        "s-03.png",
    ]
    assert all((tmp_path / f"s-0{page}.png").is_file() for page in (1, 2, 3))
    assert not (tmp_path / "s.png").exists()
    again = dfs("preview", inserted, "--out", tmp_path / "s.png", "--rows", 15)
    assert again.code == 2
    assert "s-01.png (and 2 more) already exists; add --overwrite" in again.stderr


def test_all_pages_in_one_pdf(dfs, inserted, tmp_path):
    assert dfs("preview", inserted, "--out", tmp_path / "s.pdf", "--rows", 10).code == 0
    assert (tmp_path / "s.pdf").read_bytes().count(b"/Type /Page\n") == 4


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_film_shows_the_first_clip_of_each_class(dfs, inserted, tmp_path, suffix):
    done = dfs("preview", inserted, "--out", tmp_path / f"f.{suffix}", "--json")
    assert done.document["kind"] == "film"
    assert done.document["clips"] == [0, 10, 20, 30]


@pytest.mark.parametrize("kind", ["timeline", "storage"])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_charts(dfs, inserted, tmp_path, kind, suffix):
    done = dfs("preview", inserted, "--kind", kind, "--out", tmp_path / f"c.{suffix}")
    assert done.code == 0, done.stderr
    assert (tmp_path / f"c.{suffix}").stat().st_size > 1000


def test_optical_flow(dfs, inserted, tmp_path):
    done = dfs("preview", inserted, "--kind", "flow", "--out", tmp_path / "f.png", "--per-class", 1)
    assert done.code == 0, done.stderr
    dfs("preview", inserted, "--out", tmp_path / "s.png", "--per-class", 1)
    assert _size(tmp_path / "f.png")[1] > _size(tmp_path / "s.png")[1]


@pytest.mark.parametrize("words", FLOW_COLOURS.split(", "))
def test_the_heading_names_the_colours_of_the_flow(words):
    name, direction = words.split()
    steps = {"right": (1, 0), "up": (0, -1), "left": (-1, 0), "down": (0, 1)}  # rows count downwards
    colours = {"red": (255, 0, 0), "green": (128, 255, 0), "cyan": (0, 255, 255), "violet": (128, 0, 255)}
    found = flow_colours(np.full((1, 1, 2), steps[direction], np.float32), largest=1)[0, 0]
    assert np.abs(found.astype(int) - colours[name]).max() <= 1


def test_the_last_frame_has_no_flow(dfs, inserted, tmp_path):
    import numpy as np
    from PIL import Image

    dfs("preview", inserted, "--kind", "flow", "--out", tmp_path / "f.png", "--clip", 0)
    pixels = np.asarray(Image.open(tmp_path / "f.png")).astype(int)
    right = (abs(pixels - 255).sum(-1) > 0).any(0).nonzero()[0].max()
    column = (pixels[:, right - 60 : right - 10] != 255).any(-1)
    rows = np.flatnonzero(column.all(1))
    assert np.ptp(rows) < 140  # the tile of the last frame, with nothing below it


def test_the_cosine_map_reads_the_log_of_the_run(dfs, inserted, tmp_path):
    lines = [
        {"event": "step_done", "step": step, "cosines": {"7": [None, 0.1, -0.1, 0.0, 0.2, None]}}
        for step in range(20, 80)
    ]
    log = tmp_path / "inserted.zarr.events.jsonl"
    foreign = [
        {"event": "step_done", "step": 20, "cosines": {"7": 5}},
        {"event": "step_done", "cosines": {"7": []}},
        {"event": "step_done", "step": 21, "cosines": {"7": ["x"] * 6}},
        {"event": "x", "cosines": 3},
    ]
    with open_store(inserted) as opened:
        end = {"event": "store_written", "digest": opened.attributes["digest"]}
    written = "".join(json.dumps(line) + "\n" for line in [*lines, *foreign, end])
    log.write_text(written + '{"event": "step_do')
    done = dfs("preview", inserted, "--kind", "cosine", "--out", tmp_path / "c.png", "--clip", 7)
    assert done.code == 0, done.stderr
    other = dfs("preview", inserted, "--kind", "cosine", "--out", tmp_path / "d.png", "--clip", 8)
    assert other.code == 2
    assert "dfs condense --watch" in other.stderr
    write_store(inserted.with_name("other.zarr"))
    log.rename(tmp_path / "other.zarr.events.jsonl")
    stale = dfs("preview", tmp_path / "other.zarr", "--kind", "cosine", "--out", tmp_path / "e.png")
    assert stale.code == 2
    assert "seems to be the log of a different store" in stale.stderr
    gone = dfs("preview", inserted, "--kind", "cosine", "--out", tmp_path / "d.png")
    assert gone.code == 3
    assert "--events" in gone.stderr


@pytest.mark.parametrize(
    ("words", "clips"),
    [
        (["--clips", "0,3-5"], [0, 3, 4, 5]),
        (["--class", "b"], list(range(10, 20))),
        (["--classes", "a,d", "--per-class", "2"], [0, 1, 30, 31]),
        (["--clips", "8-12", "--class", "b"], [10, 11, 12]),
    ],
)
def test_clips_are_chosen_by_class_and_number(dfs, inserted, tmp_path, words, clips):
    assert dfs("preview", inserted, "--out", tmp_path / "s.png", "--json", *words).document["clips"] == clips


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "s.jpeg"], "must end in .png, .pdf, .gif or .mp4"),
        (["--out", "s.png", "--kind", "film"], "--out for a film must end in .gif or .mp4"),
        (["--out", "s.png", "--kind", "timelin"], "Did you mean 'timeline'?"),
        (["--out", "s.png", "--rebuilt", "dimm"], "Did you mean 'dim'?"),
        (["--out", "s.png", "--theme", "drak"], "Did you mean 'dark'?"),
        (["--out", "s.png", "--class", "A"], "Did you mean 'a'?"),
        (["--out", "s.png", "--clip", "40"], "--clips must be in 0..39, got 40"),
        (
            ["--out", "s.png", "--clip", "5-2"],
            "--clips must be clip numbers and ranges such as 0,7,20-25, got '5-2'",
        ),
        (["--out", "s.png", "--clip", "x"], "--clips must be clip numbers and ranges"),
        (["--out", "inserted.zarr/s.png"], "is inside the store"),
        (["--out", "s.png", "--nearest"], "--nearest needs a film"),
        (["--out", "s.gif", "--clips", "0-20"], "a film shows at most 16 clips, got 21"),
        (["--out", "s.gif", "--fps", "0"], "--fps must be between 0.1 and 60"),
    ],
)
def test_invalid_options_are_refused(dfs, inserted, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = dfs("preview", inserted, *words)
    assert done.code == 2
    assert message in done.stderr
    assert not list(tmp_path.glob("s*"))


@pytest.mark.parametrize("kind", ["cosine", "timeline"])
def test_advice_fits_the_method(dfs, tmp_path, kind):
    store = tmp_path / "s.zarr"
    words = ("--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43")
    assert dfs("condense", *words, "--vpc", "1", "--method", "random", "--out", store).code == 0
    outcome = dfs("preview", store, "--kind", kind, "--out", tmp_path / "c.png")
    assert outcome.code == 2
    assert "method random, which does not insert key frames" in outcome.stderr
    assert "--watch" not in outcome.stderr


def test_a_store_without_insertion_steps_has_no_timeline(dfs, tmp_path):
    done = dfs("preview", write_store(tmp_path / "s.zarr"), "--kind", "timeline", "--out", tmp_path / "t.png")
    assert done.code == 2
    assert "no key frame was inserted" in done.stderr


def test_the_nearest_real_clip_of_a_real_clip_is_itself(dfs, tmp_path):
    store = tmp_path / "r.zarr"
    words = ["--dataset", "moving-shapes", "--method", "random", "--vpc", 1, "--classes", "fast,slow"]
    made = dfs("condense", *words, "--out", store, "-q")
    assert made.code == 0, made.stderr
    done = dfs("preview", store, "--nearest", "--clip", "1", "--out", tmp_path / "n.gif")
    assert done.code == 0, done.stderr
    frame = np.asarray(Image.open(io.BytesIO((tmp_path / "n.gif").read_bytes())).convert("RGB"))
    # Two equal pictures side by side, 252 pixels apart (240 wide, 12 between).
    assert np.abs(frame[60:280, 12:252].astype(int) - frame[60:280, 264:504]).mean() < 2
    with open_store(store) as opened:
        assert opened.frame_shape == (3, 48, 48)


@pytest.mark.parametrize("command", ["preview", "report"])
@pytest.mark.parametrize(
    "provenance",
    [
        {"config": [1], "software": "x"},
        {"config": {"iterations": "many"}},
        {"vpc": {"a": 1}, "method": ["dfs"]},
    ],
)
def test_an_unusual_provenance_is_tolerated(dfs, tmp_path, command, provenance):
    path = tmp_path / "s.h5"
    attributes = {"provenance": provenance, "fps": 1e9}
    with StoreWriter(
        path, num_frames=2, frame_shape=(1, 3, 3), class_names=["a", "none of it"], attributes=attributes
    ) as writer:
        writer.append(np.zeros((1, 1, 3, 3), np.float32), [0], 0)
    out = tmp_path / ("s.gif" if command == "preview" else "s.html")
    done = dfs(command, path, "--out", out)
    assert done.code == 0, done.stderr


def test_all_pages_are_written_or_none(dfs, tmp_path):
    path = write_store(tmp_path / "s.zarr", num_clips=9)
    (shard,) = (file for file in (path / "key_frames").rglob("c*") if file.is_file())
    data = bytearray(shard.read_bytes())
    data[20 * 3 * 6 * 5 * 4 + 3] ^= 255  # in one of the last clips
    shard.write_bytes(data)
    done = dfs("preview", path, "--rows", 2, "--out", tmp_path / "p.png")
    assert done.code == 3
    assert [file.name for file in tmp_path.iterdir()] == ["s.zarr"]


def test_pages_of_an_earlier_picture_are_named(dfs, inserted, tmp_path):
    assert dfs("preview", inserted, "--rows", 10, "--out", tmp_path / "p.png").code == 0
    done = dfs("preview", inserted, "--rows", 20, "--out", tmp_path / "p.png", "--overwrite")
    assert "p-03.png (and 1 more) looks like a page of an earlier picture" in done.stderr


def test_a_file_name_that_is_too_long_is_not_reported_as_a_bug(dfs, inserted, tmp_path):
    done = dfs("preview", inserted, "--out", tmp_path / ("x" * 300 + ".png"))
    assert done.code == 2
    assert "too long" in done.stderr


def _made(dfs, out, *flags):
    words = ("--dataset", "moving-shapes", "--classes", "fast,still", "--vpc", 2, "--size", 43, "--frames", 6)
    words += ("--iterations", 6, "--batch-real", 2, "--epsilon", 0.9, "--device", "cpu", "-q")
    done = dfs("condense", *words, *flags, "--out", out)
    assert done.code == 0, done.stderr
    return out


def test_a_film_of_how_a_store_was_made(dfs, tmp_path):
    store = _made(dfs, tmp_path / "s.zarr", "--snapshots", 4)
    out = tmp_path / "making.gif"
    done = dfs("preview", store, "--making", "--out", out, "--fps", 4, "--json")
    assert done.code == 0, done.stderr
    assert (done.document["kind"], done.document["clips"]) == ("making", [0, 2])
    with Image.open(out) as film:
        pictures = []
        for number in range(film.n_frames):
            film.seek(number)
            pictures.append((np.asarray(film.convert("RGB")), film.info["duration"]))
    assert len(pictures) == 4  # the first and last are shown longer, which a GIF stores as a duration
    assert [duration for _, duration in pictures] == [750, 250, 250, 2000]
    cursors = [_cursor(picture) for picture, _ in pictures]
    assert cursors == sorted(set(cursors))
    again = dfs("preview", store, "--making", "--out", out)
    assert (again.code, "already exists" in again.stderr) == (2, True)
    assert dfs("preview", store, "--making", "--out", tmp_path / "m.mp4", "--clips", 2).code == 0


def _cursor(picture):
    """Returns where the bar of steps marks the current step."""
    dark = (picture[38] < 60).all(-1)  # a row of pixels just above the bar
    return int(np.flatnonzero(dark).mean())


def test_a_film_of_how_a_store_was_made_needs_snapshots(dfs, tmp_path, inserted):
    done = dfs("preview", inserted, "--making", "--out", tmp_path / "m.gif")
    assert done.code == 3
    assert "condense with --snapshots N" in done.stderr
    store = _made(dfs, tmp_path / "s.zarr", "--snapshots", 2)
    done = dfs("preview", store, "--making", "--out", tmp_path / "m.gif", "--clips", 1)
    assert (done.code, "contain only the clips 0, 2, not 1" in done.stderr) == (2, True)
    done = dfs("preview", store, "--making", "--out", tmp_path / "m.png")
    assert (done.code, "--out for --making must end in .gif or .mp4" in done.stderr) == (2, True)
    done = dfs("preview", store, "--making", "--out", tmp_path / "m.gif", "--kind", "film")
    assert (done.code, "--making cannot be combined with --kind" in done.stderr) == (2, True)


def test_one_row_per_store(dfs, tmp_path):
    stores = [_made(dfs, tmp_path / "usual.zarr"), _made(dfs, tmp_path / "bare.zarr", "--cooldown", 0)]
    done = dfs("preview", *stores, "--out", tmp_path / "rows.png", "--json")
    assert done.code == 0, done.stderr
    assert (done.document["kind"], done.document["clips"]) == ("rows", [0])
    assert done.document["stores"] == list(map(str, stores))
    one = _size(tmp_path / "rows.png")
    assert dfs("preview", *stores, stores[0], "--out", tmp_path / "three.png").code == 0
    assert _size(tmp_path / "three.png")[1] > one[1]
    assert dfs("preview", *stores, "--out", tmp_path / "classes.png", "--per-class", 1).code == 0
    assert dfs("preview", *stores, "--out", tmp_path / "rows.png").code == 2


def test_rows_need_equal_shapes_and_classes(dfs, tmp_path, inserted, store):
    done = dfs("preview", inserted, store, "--out", tmp_path / "r.png")
    assert (done.code, "all stores must have clips of the same shape, got 6x8x8" in done.stderr) == (2, True)
    done = dfs("preview", inserted, store, "--out", tmp_path / "r.png", "--clips", 39)
    assert (done.code, "is number 10 of class 'd', but" in done.stderr) == (2, True)
    done = dfs("preview", inserted, store, "--out", tmp_path / "r.gif")
    assert (done.code, "--out for a picture of 2 stores must end in .png or .pdf" in done.stderr) == (2, True)
