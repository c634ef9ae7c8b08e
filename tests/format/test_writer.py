import subprocess
import sys

import numpy as np
import pytest

from dfs_store.errors import (
    ClipError,
    OutputExistsError,
    OutputNotWritableError,
    PositionsError,
    SettingsError,
)
from dfs_store.format import StoreWriter, check_output, open_store, verify
from dfs_store.format.quantization import Encoded, encode
from tests.format.making import content, open_writer

TWO = np.zeros((2, 2, 4, 3), dtype=np.float32)
NAN = np.where(np.arange(48).reshape(TWO.shape) == 30, np.nan, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((TWO[:, :1], [0, 5], 0), ClipError, r"shape \(K, 2, 4, 3\) with K >= 1, got \(2, 1, 4, 3\)"),
        ((TWO[:0], [], 0), ClipError, "K >= 1"),
        ((TWO[0], [0, 5], 0), ClipError, "shape"),
        ((NAN, [0, 5], 0), ClipError, "key frame 1 of the clip"),
        ((TWO + np.float64(1e300) * np.ones(TWO.shape), [0, 5], 0), ClipError, "finite"),
        ((TWO.astype(complex), [0, 5], 0), ClipError, "complex"),
        ((TWO, [0, 4], 0), PositionsError, "num_frames - 1 = 5, got 4"),
        ((TWO, [1, 5], 0), PositionsError, "first position"),
        ((TWO, [0, 3, 5], 0), ClipError, "one position per key frame, got 3 positions for 2 key frames"),
        ((TWO, [0, 5], 2), ClipError, r"label must be in 0\.\.1 \(2 classes\), got 2"),
        ((TWO, [0, 5], -1), ClipError, "got -1"),
        ((TWO, [0, 5], 0.5), ClipError, "whole number"),
        ((TWO, [0, 5], [0]), ClipError, "whole number"),
        ((TWO, [0, 5], 0, [1]), ClipError, "2 whole numbers"),
        ((TWO, [0, 5], 0, [-2, 0]), ClipError, r"-1\.\."),
        ((TWO, [0, 5], 0, [0, 2**31]), ClipError, "inserted_at"),
        ((TWO, [0, 5], 0, [0.0, 1.0]), ClipError, "whole numbers"),
    ],
)
def test_an_invalid_clip_is_refused_and_the_writer_can_continue(tmp_path, container, arguments, error, words):
    path = tmp_path / f"s.{container}"
    with open_writer(path) as writer:
        with pytest.raises(error, match=words):
            writer.append(*arguments)
        writer.append(TWO + 1, [0, 5], 1)
        assert len(writer) == 1
    store = open_store(path)
    assert len(store) == 1
    assert store.labels.tolist() == [1]
    assert np.array_equal(store.key_frames(0), TWO + 1)


def test_inserted_at_must_be_given_for_all_clips_or_none(tmp_path):
    with open_writer(tmp_path / "s.zarr") as writer:
        writer.append(TWO, [0, 5], 0)
        with pytest.raises(ClipError, match="all clips of a store or for none, but clip 1"):
            writer.append(TWO, [0, 5], 0, [-1, -1])
    with open_writer(tmp_path / "t.zarr") as writer:
        writer.append(TWO, [0, 5], 0, [-1, -1])
        with pytest.raises(ClipError, match="all clips"):
            writer.append(TWO, [0, 5], 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_frames": 1}, r"2\.\.65536, got 1"),
        ({"num_frames": 70_000}, "got 70000"),
        ({"num_frames": 8.5}, "num_frames must be a whole number, got 8.5"),
        ({"frame_shape": (4, 3)}, "frame_shape"),
        ({"frame_shape": (2.0, 4, 3)}, "frame_shape must be whole numbers"),
        ({"class_names": "cats"}, "the string 'cats'"),
        ({"class_names": []}, "class_names"),
        ({"class_names": ["a", "a"]}, "'a' twice"),
        ({"dtype": "float64"}, "float32, float16, uint8, got 'float64'"),
        ({"attributes": {"digest": "x"}}, "must not contain digest"),
        ({"attributes": {"normalization": {"mean": [0], "std": [1]}}}, r"per channel \(2\)"),
        ({"attributes": {"x": float("nan")}}, "JSON"),
        ({"attributes": {"x": object()}}, "JSON"),
        ({"attributes": {"fps": -1}}, "fps"),
        ({"compression": "lzma"}, "zstd, gzip"),
    ],
)
def test_invalid_settings_are_refused_before_anything_is_written(tmp_path, changes, words):
    with pytest.raises(SettingsError, match=words):
        open_writer(tmp_path / "s.zarr", **changes)
    assert list(tmp_path.iterdir()) == []


def test_zstd_is_only_available_for_zarr(tmp_path):
    with pytest.raises(SettingsError, match="one of gzip, got 'zstd'"):
        open_writer(tmp_path / "s.h5", compression="zstd")


@pytest.mark.parametrize(("container", "compression"), [("zarr", "zstd"), ("zarr", "gzip"), ("h5", "gzip")])
def test_compressed_stores_contain_the_same_frames(tmp_path, container, dtype, compression):
    plain, packed = tmp_path / f"a.{container}", tmp_path / f"b.{container}"
    content(dtype).write(plain)
    content(dtype).write(packed, compression=compression)
    first, second = open_store(plain), open_store(packed)
    assert first.attributes == second.attributes
    assert np.array_equal(first.stored_frames(0, 12), second.stored_frames(0, 12))
    assert second.stored_frames(0, 12).dtype == np.dtype(dtype)


def test_frames_may_be_given_in_any_real_dtype_and_memory_order(tmp_path):
    values = np.arange(48).reshape(2, 3, 4, 2)
    with open_writer(tmp_path / "s.zarr") as writer:
        for dtype in (np.uint8, np.int64, ">f4", np.float16, np.float64):
            writer.append(values.astype(dtype).transpose(0, 3, 2, 1), [0, 5], 0)
    store = open_store(tmp_path / "s.zarr")
    for number in range(5):
        assert np.array_equal(store.key_frames(number), values.transpose(0, 3, 2, 1))


def test_append_stored_copies_frames_bit_by_bit(tmp_path, container, dtype):
    stored = encode(content().clips[0].key_frames, dtype)
    with open_writer(tmp_path / f"s.{container}", dtype=dtype) as writer:
        writer.append_stored(stored, [0, 5], 0)
        scales = TWO[:, :, 0, 0]
        for wrong in (
            Encoded(stored.frames.astype(np.float64), stored.scale, stored.zero),
            Encoded(stored.frames[:, :1], stored.scale, stored.zero),
            Encoded(stored.frames) if dtype == "uint8" else Encoded(stored.frames, scales, scales),
        ):
            with pytest.raises(ClipError, match="stored frames"):
                writer.append_stored(wrong, [0, 5], 0)
    assert open_store(tmp_path / f"s.{container}").stored_frames(0, 2).tobytes() == stored.frames.tobytes()


def test_nothing_is_visible_before_a_clean_exit(tmp_path, container):
    path = tmp_path / f"s.{container}"
    with open_writer(path) as writer:
        writer.append(TWO, [0, 5], 0)
        assert not path.exists()
        assert all(entry.name.startswith(".") for entry in tmp_path.iterdir())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing_behind(tmp_path, container, failure):
    with pytest.raises(failure), open_writer(tmp_path / f"s.{container}") as writer:  # noqa: PT012
        writer.append(TWO, [0, 5], 0)
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_clips_is_refused_and_leaves_nothing(tmp_path, container):
    with pytest.raises(ClipError, match="at least one clip"), open_writer(tmp_path / f"s.{container}"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_refused(store_path):
    with pytest.raises(OutputExistsError, match="overwrite"):
        open_writer(store_path)
    with pytest.raises(OutputExistsError):
        check_output(store_path)
    assert len(open_store(store_path)) == 4


def test_overwriting_replaces_the_store_and_leaves_nothing_else(store_path):
    with open_writer(store_path, overwrite=True) as writer:
        writer.append(TWO, [0, 5], 0)
        assert len(open_store(store_path)) == 4
    assert len(open_store(store_path)) == 1
    assert [entry.name for entry in store_path.parent.iterdir()] == [store_path.name]


def test_a_failed_overwrite_keeps_the_old_store(store_path):
    with pytest.raises(RuntimeError), open_writer(store_path, overwrite=True) as writer:  # noqa: PT012
        writer.append(TWO, [0, 5], 0)
        raise RuntimeError
    assert len(open_store(store_path)) == 4
    assert [entry.name for entry in store_path.parent.iterdir()] == [store_path.name]


def test_the_second_of_two_writers_to_a_path_gets_an_error(tmp_path, container):
    path = tmp_path / f"s.{container}"
    with pytest.raises(OutputExistsError, match="another process wrote"), open_writer(path) as second:  # noqa: PT012
        second.append(TWO, [0, 5], 0)
        with open_writer(path) as first:
            first.append(TWO + 1, [0, 5], 0)
    assert open_store(path).key_frames(0).max() == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(OutputNotWritableError, match="does not exist; create it"):
        open_writer(tmp_path / "none" / "s.zarr")


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        OutputNotWritableError, match=r"notes\.txt is a file, not a folder; choose another path"
    ):
        open_writer(tmp_path / "notes.txt" / "s.zarr")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    # Not even root can create a folder in /proc.
    with pytest.raises(OutputNotWritableError, match="cannot be written"), open_writer("/proc/s.zarr"):
        pass


def test_a_writer_must_be_used_as_a_context_manager(tmp_path):
    writer = open_writer(tmp_path / "s.zarr")
    with pytest.raises(SettingsError, match="with StoreWriter"):
        writer.append(TWO, [0, 5], 0)
    with writer:
        writer.append(TWO, [0, 5], 0)
    with pytest.raises(SettingsError, match="not open"):
        writer.append(TWO, [0, 5], 0)


FILL = """
import resource, sys
import numpy as np
from dfs_store.errors import DiskFullError
from dfs_store.format import StoreWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    with StoreWriter(sys.argv[1], num_frames=6, frame_shape=(2, 64, 64), class_names=["a"]) as writer:
        for _ in range(4):
            writer.append(np.ones((2, 2, 64, 64)), [0, 5], 0)
except DiskFullError as error:
    sys.exit(0 if "nothing was left behind" in str(error) else 3)
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("container", "limit_bytes"),
    [("zarr", 100_000), ("zarr", 262_144), ("h5", 100_000), ("h5", 262_144), ("h5", 262_400)],
)
def test_a_full_disk_is_reported_and_nothing_is_left(tmp_path, container, limit_bytes):
    # The system refuses writes beyond a file size in the same way as on a full disk. The limits are inside
    # the frames (262,144 bytes), directly after them, and in the data that a container writes around them.
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path / f"s.{container}", str(limit_bytes)], check=False
    )
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


SWALLOW = """
import resource, sys
import numpy as np
from dfs_store.errors import DiskFullError
from dfs_store.format import StoreWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    with StoreWriter(sys.argv[1], num_frames=6, frame_shape=(2, 64, 64), class_names=["a"]) as writer:
        for _ in range(8):
            try:
                writer.append(np.ones((2, 2, 64, 64)), [0, 5], 0)
            except DiskFullError:
                break
except DiskFullError:
    sys.exit(0)
sys.exit(1)
"""


def test_a_write_error_that_the_caller_ignored_is_raised_on_exit(tmp_path, container):
    done = subprocess.run([sys.executable, "-c", SWALLOW, tmp_path / f"s.{container}"], check=False)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_two_stores_with_equal_content_are_equal_byte_by_byte(tmp_path, container):
    first, second = tmp_path / f"a.{container}", tmp_path / f"b.{container}"
    content().write(first)
    content().write(second)
    assert files_of(first) == files_of(second)


def files_of(path):
    if path.is_file():
        return path.read_bytes()
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_the_public_name_is_the_same_class():
    import dfs_store

    assert dfs_store.StoreWriter is StoreWriter


def test_soft_labels_are_stored_as_float16_for_all_clips_or_none(tmp_path, container):
    path = tmp_path / f"s.{container}"
    frames = np.zeros((2, 2, 4, 3))
    with open_writer(path) as writer:
        writer.append(frames, [0, 5], 0, soft_label=[1 / 3, -2])
        for bad, said in (
            ([1.0], "2 real numbers, one per class"),
            ([1.0, np.nan], "finite in float16"),
            ([1.0, 70_000], "at most 65504"),
            (None, "soft_labels must be passed for all clips of a store or for none, but clip 1"),
        ):
            with pytest.raises(ClipError, match=said):
                writer.append(frames, [0, 5], 0, soft_label=bad)
        writer.append(frames, [0, 5], 1, soft_label=np.array([7, 8]))
    store = open_store(path)
    assert store.soft_labels.dtype == np.float16
    assert store.soft_labels.tolist() == [[np.float16(1 / 3), -2], [7, 8]]
    assert not list(verify(path))
    with open_writer(tmp_path / "without.zarr") as writer:
        writer.append(frames, [0, 5], 0)
    assert open_store(tmp_path / "without.zarr").soft_labels is None
