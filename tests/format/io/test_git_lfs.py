"""Every reader reports a Git LFS pointer in place of a file, and says what to do."""

import pytest

from dfs_store import open_store
from dfs_store.errors import DamagedStoreError, DecodeError, NotAStoreError, UnreadableClipsError
from dfs_store.exchange import import_clips
from dfs_store.format import verify
from dfs_store.format.io.git_lfs import pointer_problem
from dfs_store.videos.decode.decoding import decode_clip
from dfs_store.videos.decode.sampling import Sampling
from tests.attacks.reader import content_of
from tests.format.making import content

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 1234567\n"
WORDS = r"Git LFS pointer.*1,234,567 bytes.*git lfs pull"


@pytest.mark.parametrize("name", ["s.h5", "s.hdf5", "s.zarr.zip", "s.zarr"])
def test_a_pointer_in_place_of_a_store_is_reported(tmp_path, name):
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(NotAStoreError, match=WORDS):
        open_store(tmp_path / name)


def test_a_pointer_in_place_of_any_file_is_reported(tmp_path):
    content().write(tmp_path / "s.zarr")
    files = [file for file in (tmp_path / "s.zarr").rglob("*") if file.is_file()]
    assert len(files) > 5
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(POINTER)
        problems = [str(each) for each in verify(tmp_path / "s.zarr")] if file.name != "zarr.json" else []
        with pytest.raises(DamagedStoreError, match=WORDS) as refused:
            content_of(tmp_path / "s.zarr")
        assert file.name in str(refused.value)
        assert not problems or "git lfs pull" in problems[0]
        file.write_bytes(whole)
    assert list(verify(tmp_path / "s.zarr")) == []


@pytest.mark.parametrize("suffix", ["pt", "npy", "npz", "safetensors"])
def test_a_pointer_in_place_of_a_file_to_import_is_reported(tmp_path, suffix):
    (tmp_path / f"c.{suffix}").write_bytes(POINTER)
    with pytest.raises(UnreadableClipsError, match=WORDS):
        import_clips(tmp_path / f"c.{suffix}", tmp_path / "o.zarr")


def test_other_files_are_not_taken_for_pointers(tmp_path):
    for data in (b"", b"version 1", POINTER[7:], POINTER + bytes(2000)):
        (tmp_path / "f").write_bytes(data)
        assert pointer_problem(tmp_path / "f") is None
    assert pointer_problem(tmp_path) is None
    assert pointer_problem(tmp_path / "none") is None
    (tmp_path / "f").write_bytes(POINTER)
    assert pointer_problem(tmp_path / "f") is not None


def test_a_pointer_in_place_of_a_video_is_reported(tmp_path):
    (tmp_path / "v.mp4").write_bytes(POINTER)
    with pytest.raises(DecodeError, match=WORDS):
        decode_clip(str(tmp_path / "v.mp4"), Sampling(), lambda count: [0])
