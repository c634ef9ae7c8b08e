import os

import pytest

from dfs_store.format import StorageReport, count_storage, open_store
from tests.format.making import content

# S = 12 key frames, N = 4 clips, T = 6, frames of 2*4*3 values
SMALL_ARRAYS = 12 * 2 + 5 * 8 + 4 * 4 + 12 * 4 + 12 * 4  # positions, offsets, labels, inserted_at, checksums


def test_the_report_counts_by_its_formulas(tmp_path, container, dtype):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    report = open_store(path).storage
    itemsize = {"float32": 4, "float16": 2, "uint8": 1}[dtype]
    assert report.num_key_frames == 12
    assert report.key_frame_bytes == 12 * 24 * itemsize
    assert report.float32_bytes == 12 * 24 * 4
    assert report.dense_bytes == 4 * 6 * 24 * 4
    assert report.index_bytes == SMALL_ARRAYS + (2 * 12 * 2 * 4 if dtype == "uint8" else 0)
    assert report.native_bytes is None
    files = [os.path.join(top, name) for top, _, names in os.walk(path) for name in names] or [path]
    assert report.on_disk_bytes == sum(os.path.getsize(file) for file in files)
    assert report.on_disk_bytes > report.key_frame_bytes + report.index_bytes
    assert report.percent_of_dense == 100 * (report.key_frame_bytes + report.index_bytes) / report.dense_bytes


def test_to_json_keeps_names_and_order():
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
        ("on_disk_bytes", 20),
        ("native_bytes", None),
    ]


@pytest.mark.parametrize(
    ("key_frames_per_clip", "num_clips", "mebibytes"),
    [(16, 50, 114.8), (16, 250, 574.2), (16, 51, 117.1), (2.79, 50, 20.0), (3.71, 250, 133.2)],
)
def test_float32_bytes_are_the_papers_table_2(key_frames_per_clip, num_clips, mebibytes):
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
