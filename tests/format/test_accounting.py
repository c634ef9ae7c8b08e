import os

import numpy as np
import pytest

from dfs_store.format import StorageReport, StoreWriter, count_storage, key_frames_within, open_store
from dfs_store.format.accounting import count_index
from tests.format.making import content, open_writer

# S = 12 key frames, N = 4 clips, T = 6, frames of 2*4*3 values
SMALL_ARRAYS = 12 * 2 + 5 * 8 + 4 * 4 + 12 * 4 + 12 * 4  # positions, offsets, labels, inserted_at, checksums


def test_the_report_follows_its_formulas(tmp_path, container, dtype):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    report = open_store(path).storage
    itemsize = {"float32": 4, "float16": 2, "uint8": 1}[dtype]
    assert report.num_key_frames == 12
    assert report.key_frame_bytes == 12 * 24 * itemsize
    assert report.float32_bytes == 12 * 24 * 4
    assert report.dense_bytes == 4 * 6 * 24 * 4
    assert report.index_bytes == SMALL_ARRAYS + (2 * 12 * 2 * 4 if dtype == "uint8" else 0)
    assert report.dense_uint8_bytes == 4 * 6 * 24
    assert report.native_bytes is None
    assert report.method_bytes == report.key_frame_bytes
    assert report.source_bytes is None
    files = [os.path.join(top, name) for top, _, names in os.walk(path) for name in names] or [path]
    assert report.on_disk_bytes == sum(os.path.getsize(file) for file in files)
    assert report.on_disk_bytes > report.key_frame_bytes + report.index_bytes
    percent = 100 * report.method_bytes / report.dense_bytes
    assert f"{percent:.1f} % of dense float32, {4 * percent:.1f} % of dense uint8" in report.shares_text
    assert ("source videos" in report.shares_text) == bool(report.source_bytes)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("with_steps", [True, False])
def test_the_index_is_counted_as_it_is_stored(tmp_path, dtype, with_steps):
    content(dtype, with_steps=with_steps).write(tmp_path / "s.zarr")
    counted = count_index(12, 4, 2, dtype, with_steps=with_steps)
    assert open_store(tmp_path / "s.zarr").storage.index_bytes == counted


@pytest.mark.parametrize(
    ("dtype", "shape"), [("uint8", (1, 1, 5)), ("uint8", (5, 1, 1)), ("float16", (1, 1, 1))]
)
def test_a_budget_is_exact_for_a_thousand_clips_of_tiny_frames(tmp_path, dtype, shape):
    # One byte more or less per clip in the index would change the result by 50 key frames.
    num_clips, num_frames, wanted = 1000, 4, 2500
    with StoreWriter(
        tmp_path / "s.zarr", num_frames=num_frames, frame_shape=shape, class_names=["a"], dtype=dtype
    ) as writer:
        for clip in range(num_clips):
            positions = [0, 1, 3] if clip < wanted - 2 * num_clips else [0, 3]
            writer.append(np.full((len(positions), *shape), clip % 7), positions, 0)
    report = open_store(tmp_path / "s.zarr").storage
    exact = report.key_frame_bytes + report.index_bytes
    assert report.num_key_frames == wanted
    assert key_frames_within(exact, num_clips, shape, dtype) == wanted
    assert key_frames_within(exact - 1, num_clips, shape, dtype) == wanted - 1
    assert key_frames_within(0, num_clips, shape, dtype) == 0


def test_native_arrays_are_the_method_bytes_and_source_bytes_are_reported(tmp_path):
    with open_writer(tmp_path / "s.h5", attributes={"provenance": {"source_bytes": 12_345}}) as writer:
        writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
        writer.write_native("test", {"numbers": np.zeros(5, dtype=np.float32)})
    report = open_store(tmp_path / "s.h5").storage
    assert (report.native_bytes, report.method_bytes, report.source_bytes) == (20, 20, 12_345)
    for odd in ("many", -1, True, 1.5):
        with open_writer(
            tmp_path / "s.h5", attributes={"provenance": {"source_bytes": odd}}, overwrite=True
        ) as writer:
            writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
        assert open_store(tmp_path / "s.h5").storage.source_bytes is None


def test_soft_labels_count_as_method_bytes_and_not_as_index(tmp_path, container):
    reports = []
    for with_soft_labels in (False, True):
        path = tmp_path / f"{with_soft_labels}.{container}"
        content(with_soft_labels=with_soft_labels).write(path)
        reports.append(open_store(path).storage)
    without, report = reports
    assert (without.soft_label_bytes, report.soft_label_bytes) == (None, 4 * 2 * 2)
    assert report.method_bytes == without.method_bytes + 16 == report.key_frame_bytes + 16
    assert report.index_bytes == without.index_bytes
    assert report.method_arrays == "key frames and soft labels"


def test_to_json_keeps_the_order_of_the_fields():
    report = count_storage(
        num_key_frames=3,
        num_clips=1,
        num_frames=8,
        frame_shape=(3, 112, 112),
        dtype="float32",
        index_bytes=10,
        on_disk_bytes=20,
    )
    assert isinstance(report, StorageReport)
    assert list(report.to_json().items()) == [
        ("num_key_frames", 3),
        ("key_frame_bytes", 3 * 150528),
        ("float32_bytes", 3 * 150528),
        ("index_bytes", 10),
        ("dense_bytes", 8 * 150528),
        ("dense_uint8_bytes", 8 * 37632),
        ("on_disk_bytes", 20),
        ("native_bytes", None),
        ("method_bytes", 3 * 150528),
        ("source_bytes", None),
        ("soft_label_bytes", None),
    ]


@pytest.mark.parametrize(
    ("key_frames_per_clip", "num_clips", "mebibytes"),
    [(16, 50, 114.8), (16, 250, 574.2), (16, 51, 117.1), (2.79, 50, 20.0), (3.71, 250, 133.2)],
)
def test_float32_bytes_match_table_2_of_the_paper(key_frames_per_clip, num_clips, mebibytes):
    report = count_storage(
        num_key_frames=round(key_frames_per_clip * num_clips),
        num_clips=num_clips,
        num_frames=16,
        frame_shape=(3, 112, 112),
        dtype="uint8",
        index_bytes=0,
        on_disk_bytes=0,
    )
    assert report.float32_bytes / 2**20 == pytest.approx(mebibytes, abs=0.1)
