"""Exports are atomic, need little memory, and can be read by other libraries and by open_videos."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfs_store import open_store, open_videos
from dfs_store.errors import DamagedStoreError, OutputExistsError, OutputNotWritableError, SettingsError
from dfs_store.exchange import export_store
from dfs_store.exchange.exports.export import KINDS, ExportSettings
from dfs_store.format import StoreWriter
from tests.exchange.making import pixels_of, write_smooth_store
from tests.format.making import coded_content, content, flip

ROOT = Path(__file__).parents[3]


@pytest.fixture
def smooth(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    return write_smooth_store(tmp_path / "s.zarr")


def export(source, out, to, **options):
    more = {key: options.pop(key) for key in ("classes", "overwrite") if key in options}
    return export_store(source, out, ExportSettings(to, **options), **more)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize("encoding", ["h264", "lossless", "png"])
def test_exported_videos_and_frames_can_be_opened_as_real_clips(smooth, tmp_path, encoding):
    to, num_files = ("frames", 4 * (4 + 1) + 2) if encoding == "png" else ("videos", 4 + 2)
    done = export(smooth, tmp_path / "v", to, encoding=encoding)
    assert (done.clips, done.files, done.fps, done.cut_share) == (4, num_files, 6.25, 0)
    # Clips of 56 pixels are cropped from 60 pixels, so that no frame is scaled.
    videos = open_videos(tmp_path / "v", frames=4, stride=1, size=56)
    store = open_store(smooth)
    assert videos.classes == ["left", "right"]
    assert videos.labels.tolist() == [0, 0, 1, 1]
    for clip in range(4):
        expected = pixels_of(store, clip)[:, 2:58, 2:58]
        error = videos.pixels[clip, 0].astype(float) - expected
        if encoding == "h264":
            assert 10 * np.log10(255**2 / np.mean(error**2)) > 36
        else:
            assert not error.any()
    place = {"folder_name": "right/clip_00002"} if to == "frames" else {"file_name": "right/clip_00002.mp4"}
    assert lines(tmp_path / "v" / "clips.jsonl")[2] == place | {
        "label": 1, "class_name": "right", "clip": 2,
        "num_key_frames": 4, "positions": [0, 1, 2, 3],
    }  # fmt: skip


def test_frames_are_exported_with_the_names_of_the_key_frames(tmp_path):
    import cv2

    with StoreWriter(tmp_path / "s.h5", num_frames=4, frame_shape=(3, 5, 7), class_names=["a/b"]) as writer:
        writer.append(np.random.default_rng(0).uniform(0, 1, (2, 3, 5, 7)), [0, 3], 0)
    export(tmp_path / "s.h5", tmp_path / "f", "frames", fps=5)
    folder = tmp_path / "f" / "a_b" / "clip_00000"
    about = json.loads((folder / "key_frames.json").read_text())
    assert about["key_frames"] == ["frame_0000.png", "frame_0003.png"]
    assert (about["class_name"], about["fps"]) == ("a/b", 5)
    read = [cv2.imread(str(folder / f"frame_000{number}.png"))[..., ::-1] for number in range(4)]
    assert np.array_equal(read, pixels_of(open_store(tmp_path / "s.h5"), 0))


# webdataset does not close the last shard that it reads.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("encoding", ["npy", "h264"])
def test_webdataset_reads_the_shards(smooth, tmp_path, encoding):
    wds = pytest.importorskip("webdataset")
    limit = 150_000 if encoding == "npy" else 10_240
    export(smooth, tmp_path / "w", "webdataset", encoding=encoding, shard_bytes=limit)
    shards = sorted((tmp_path / "w").glob("*.tar"))
    assert len(shards) > 1
    assert all(shard.stat().st_size <= limit for shard in shards)
    suffix = "npy" if encoding == "npy" else "mp4"
    samples = wds.WebDataset([str(shard) for shard in shards], shardshuffle=False)
    if encoding == "npy":
        samples = samples.decode()
    found = list(samples.to_tuple(suffix, "cls", "json"))
    assert [int(label) for _, label, _ in found] == [0, 0, 1, 1]
    if encoding == "npy":
        assert np.array_equal(found[3][0], pixels_of(open_store(smooth), 3))
        assert found[3][2]["class_name"] == "right"
        with pytest.raises(SettingsError, match=r"is too small for clip 0.*--encoding h264"):
            export(smooth, tmp_path / "x", "webdataset", shard_bytes=10_000)
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_npz_contains_clips_and_metadata_without_pickles(smooth, tmp_path, dtype):
    export(smooth, tmp_path / "n.npz", "npz", encoding=dtype, classes=["right"])
    store = open_store(smooth)
    with np.load(tmp_path / "n.npz", allow_pickle=False) as found:
        expected = np.stack([store.clip(2), store.clip(3)])
        if dtype == "uint8":
            expected = np.stack([pixels_of(store, clip) for clip in (2, 3)]).transpose(0, 1, 4, 2, 3)
        assert found["clips"].dtype == dtype
        assert np.array_equal(found["clips"], expected)
        assert found["labels"].tolist() == [0, 0]
        assert found["class_names"].tolist() == ["right"]
        assert found["positions"].tolist() == [0, 1, 2, 3] * 2
        assert found["offsets"].tolist() == [0, 4, 8]
        assert str(found["values"]) == ("pixels" if dtype == "uint8" else "normalised")
        assert np.allclose(found["mean"], store.normalization["mean"])
        assert str(found["digest"]) == store.attributes["digest"]


def test_hugging_face_loads_videos_and_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    names = ["test", "a/b", "..", "走る"]
    write_smooth_store(tmp_path / "s.zarr", class_names=names, clips_per_class=1, size=(8, 8))
    export(tmp_path / "s.zarr", tmp_path / "hf", "huggingface", license="cc-by-4.0")
    videos = {"data_files": {"train": str(tmp_path / "hf" / "train" / "**")}, "split": "train"}
    found = datasets.load_dataset("videofolder", cache_dir=str(tmp_path / "hf-cache"), **videos)
    rows = list(found.cast_column("video", datasets.Video(decode=False)))
    assert [(row["label"], row["class_name"]) for row in rows] == list(enumerate(names))
    assert all(Path(row["video"]["path"]).read_bytes()[4:8] == b"ftyp" for row in rows)
    assert [row["num_key_frames"] for row in rows] == [4] * 4


def test_hugging_face_loads_key_frames_without_a_video_decoder(smooth, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    export(smooth, tmp_path / "hf", "huggingface")
    rows = list(datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "hfc"), split="train"))
    assert [row["label"] for row in rows] == [0, 0, 1, 1]
    store = open_store(smooth)
    for number, row in enumerate(rows):
        pixels = pixels_of(store, number)[store.positions(number)]
        assert np.array_equal([np.asarray(picture) for picture in row["key_frames"]], pixels)


def test_the_key_frames_of_a_clip_are_listed_in_a_row(tmp_path):
    with StoreWriter(tmp_path / "s.h5", num_frames=9, frame_shape=(3, 5, 7), class_names=["a/b"]) as writer:
        for positions in ([0, 8], [0, 3, 8]):
            frames = np.random.default_rng(0).uniform(0, 1, (len(positions), 3, 5, 7))
            writer.append(frames, positions, 0)
    export(tmp_path / "s.h5", tmp_path / "hf", "huggingface", with_store=False)
    store = open_store(tmp_path / "s.h5")
    for number, row in enumerate(lines(tmp_path / "hf" / "key_frames" / "metadata.jsonl")):
        assert (row["clip"], row["class_name"]) == (number, "a/b")
        assert row["positions"] == store.positions(number).tolist()
        assert row["key_frames_file_names"][-1] == f"a_b/clip_0000{number}/frame_0008.png"
        assert len(row["key_frames_file_names"]) == len(row["positions"])
        for file, place in zip(row["key_frames_file_names"], row["positions"], strict=True):
            with Image.open(tmp_path / "hf" / "key_frames" / file) as picture:
                assert np.array_equal(np.asarray(picture), pixels_of(store, number)[place])
    assert "path: key_frames/**" in (tmp_path / "hf" / "README.md").read_text()


def test_the_card_describes_the_dataset_and_the_store_is_included(smooth, tmp_path):
    export(smooth, tmp_path / "hf", "huggingface", classes=["left"])
    card = (tmp_path / "hf" / "README.md").read_text()
    for said in (
        'license: "unknown"', "- video-classification", "- n<1K", "| source dataset | waves |",
        "| seed | 1 |", "2 clips of 4 frames in 1 class, made from waves", "load_dataset(",
        "FOLDER/store/s.h5",
    ):  # fmt: skip
        assert said in card
    programs = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(programs[1].replace("FOLDER", str(tmp_path / "hf")), names)
    assert names["clips"].shape == (2, 3, 4, 60, 60)
    copied = open_store(tmp_path / "hf" / "store" / "s.h5")
    assert np.array_equal(copied.key_frames(1), open_store(smooth).key_frames(1))
    export(smooth, tmp_path / "hf2", "huggingface", with_store=False)
    assert not (tmp_path / "hf2" / "store").exists()
    assert "DFSDataset" not in (tmp_path / "hf2" / "README.md").read_text()


def test_class_names_cannot_inject_markup_into_the_card(tmp_path):
    names = ["# x\n</details>", "```\n# heading", "<script>"]
    write_smooth_store(tmp_path / "s.zarr", class_names=names, clips_per_class=1, size=(8, 8))
    export(tmp_path / "s.zarr", tmp_path / "hf", "huggingface", license="x\ntags: [y]")
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "<script>" not in card
    assert "\n# x" not in card
    assert "\ntags: [y]" not in card


@pytest.mark.parametrize("to", KINDS)
def test_only_an_earlier_export_is_replaced(smooth, tmp_path, to):
    out = tmp_path / ("o.npz" if to == "npz" else "o")
    export(smooth, out, to)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export(smooth, out, to)
    assert export(smooth, out, to, overwrite=True, classes=["left"]).clips == 2
    foreign = tmp_path / ("f.npz" if to == "npz" else "f")
    foreign.mkdir()
    (foreign / "mine").write_text("mine")
    with pytest.raises(OutputExistsError, match="not an earlier export"):
        export(smooth, foreign, to, overwrite=True)
    assert not list(tmp_path.glob(".*.partial"))


def test_invalid_settings_are_rejected(smooth, tmp_path):
    for options, said in (
        ({"to": "gif"}, "videos, frames"), ({"to": "npz", "encoding": "h264"}, "uint8, float32"),
        ({"to": "videos", "fps": -1.0}, "--fps"), ({"to": "huggingface", "license": " "}, "--license"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=said):
            ExportSettings(**options)
    with pytest.raises(SettingsError, match=r"ends in \.npz"):
        export(smooth, tmp_path / "n", "npz")
    with pytest.raises(SettingsError, match="left, right"):
        export(smooth, tmp_path / "v", "videos", classes=["up"])
    with pytest.raises(OutputNotWritableError, match="does not exist"):
        export(smooth, tmp_path / "no" / "v", "videos")


def test_exports_need_the_memory_of_a_few_clips(tmp_path):
    path = write_smooth_store(tmp_path / "s.zarr", clips_per_class=20, num_frames=8)
    clip_bytes = 8 * 3 * 60 * 60 * 4
    for to in ("npz", "webdataset"):
        tracemalloc.start()
        try:
            export(path, tmp_path / ("n.npz" if to == "npz" else "w"), to)
            assert tracemalloc.get_traced_memory()[1] < 10 * clip_bytes  # of 40
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_export_that_is_killed_leaves_no_output(tmp_path, number):
    # There are enough clips that the signal arrives before the end even on a busy machine.
    path = write_smooth_store(tmp_path / "s.zarr", clips_per_class=500)
    words = ("export", path, "--to", "frames", "--out", tmp_path / "o")
    running = subprocess.Popen(
        [sys.executable, "-m", "dfs_store.cli", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        # Processes that a shell starts in the background ignore Ctrl-C, and so do their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".o.*.partial/new/left/clip_00001")):
        assert running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(running.pid, number)
    running.communicate()
    assert not (tmp_path / "o").exists()
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number
        assert not list(tmp_path.glob(".o.*"))
    else:
        with pytest.warns(UserWarning, match="removed files left by a process that was killed"):
            export(path, tmp_path / "o", "videos", classes=["left"])
        assert not list(tmp_path.glob(".o.*"))


def test_the_export_of_a_damaged_store_leaves_no_output(smooth, tmp_path):
    frames = open_store(smooth).stored_frames(12, 13).tobytes()
    file = smooth / "key_frames" / "c.0.0.0.0"
    flip(file, file.read_bytes().index(frames))
    with pytest.raises(DamagedStoreError, match="clip 3"):
        export(smooth, tmp_path / "v", "videos")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_soft_labels_are_exported_for_the_classes_that_are_kept(tmp_path):
    content(with_soft_labels=True).write(tmp_path / "s.zarr")
    export(tmp_path / "s.zarr", tmp_path / "all.npz", "npz")
    with np.load(tmp_path / "all.npz") as found:
        assert found["soft_labels"].dtype == np.float16
        assert found["soft_labels"].tolist() == [[n, -0.25] for n in range(4)]
    export(tmp_path / "s.zarr", tmp_path / "some.npz", "npz", classes=["left"])
    with np.load(tmp_path / "some.npz") as found:
        assert found["soft_labels"].tolist() == [[0], [2]]
    coloured = coded_content(None, size=(16, 16))
    clips = [replace(clip, soft_label=np.array([n, 1])) for n, clip in enumerate(coloured.clips)]
    replace(coloured, clips=clips).write(tmp_path / "c.zarr")
    export(tmp_path / "c.zarr", tmp_path / "v", "videos", classes=["right"])
    assert [line["soft_label"] for line in lines(tmp_path / "v" / "clips.jsonl")] == [[1], [1]]
