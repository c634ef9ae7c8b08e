import os

import h5py
import numpy as np
import pytest

from dfs_store.errors import NewerFormatError, NotAStoreError, StoreNotFoundError
from dfs_store.format import Finding, verify
from dfs_store.format.digest import frame_checksums
from dfs_store.format.zarr import writer as zarr_writer
from tests.format.making import content, edit_attributes, flip, read_raw, write_array


def frame_file(path, shard=0):
    return path / "key_frames" / f"c.{shard}.0.0.0" if path.is_dir() else path


def damage_frame(path, frame):
    expected = np.concatenate([clip.key_frames for clip in content().clips])[frame].tobytes()
    file = frame_file(path)
    flip(file, file.read_bytes().index(expected) + 7)


def test_an_intact_store_has_no_findings(tmp_path, container, dtype):
    path = tmp_path / f"s.{container}"
    content(dtype).write(path)
    assert list(verify(path)) == []


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_progress_ends_with_all_key_frames(tmp_path, container, compression):
    path = tmp_path / f"s.{container}"
    content().write(path, compression=compression)
    steps = []
    assert list(verify(path, on_progress=lambda *step: steps.append(step))) == []
    assert steps[-1] == (12, 12)


def test_every_damaged_frame_is_reported_with_clip_class_position_and_file(store_path):
    for frame in (4, 8):
        damage_frame(store_path, frame)
    file = "key_frames/c.0.0.0.0" if store_path.is_dir() else "store.h5"
    assert list(verify(store_path)) == [
        Finding(
            message=f"key frame {frame} does not match its checksum",
            file=file,
            clip=clip,
            class_name=name,
            position=position,
        )
        for frame, clip, name, position in ((4, 2, "left", 2), (8, 3, "right", 2))
    ]


def test_a_missing_shard_is_reported_for_each_clip_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_writer, "MAX_SHARD_FRAMES", 4)
    path = tmp_path / "s.zarr"
    content().write(path)
    os.unlink(frame_file(path, 1))
    flip(frame_file(path, 2), 10)
    findings = list(verify(path))
    assert [(found.clip, found.class_name, found.file) for found in findings] == [
        (2, "left", "key_frames/c.1.0.0.0"),
        (3, "right", "key_frames/c.1.0.0.0"),
        (3, "right", "key_frames/c.2.0.0.0"),
    ]
    assert "missing" in findings[0].message
    assert findings[2].position == 2


def test_infinite_values_are_found(store_path):
    frames = np.concatenate([clip.key_frames for clip in content().clips])
    frames[3, 0, 0, 0] = np.inf
    write_array(store_path, "key_frames", frames)
    write_array(store_path, "checksums", frame_checksums(frames))
    edit_attributes(store_path, lambda attributes: None, redigest=True)
    (found,) = verify(store_path)
    assert found.message == "key frame 3 contains values that are infinite or not a number"
    assert (found.clip, found.class_name, found.position) == (2, "left", 0)


def test_verify_finds_all_broken_rules(store_path):
    arrays = read_raw(store_path)[0]
    arrays["labels"][1] = 9
    arrays["positions"][0] = 3
    for name in ("labels", "positions"):
        write_array(store_path, name, arrays[name])
    findings = list(verify(store_path))
    assert [(found.clip, found.class_name) for found in findings] == [(0, "left"), (1, None)]
    where = [found.file for found in findings]
    assert where == (["positions", "labels"] if store_path.is_dir() else ["store.h5"] * 2)


def test_an_altered_attribute_and_a_damaged_frame_are_both_found(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(fps=1))
    damage_frame(store_path, 0)
    first, second = verify(store_path)
    assert "digest" in first.message
    assert second.position == 0


def test_a_damaged_inserted_at_is_found(store_path):
    values = read_raw(store_path)[0]["inserted_at"]
    values[7] = -5
    write_array(store_path, "inserted_at", values)
    edit_attributes(store_path, lambda attributes: None, redigest=True)
    (found,) = verify(store_path)
    assert "got -5" in found.message


def test_unreadable_attributes_are_one_finding(store_path):
    edit_attributes(store_path, lambda attributes: attributes.update(complete=False))
    (found,) = verify(store_path)
    assert "never finished" in found.message
    assert found.file == ("zarr.json" if store_path.is_dir() else "store.h5")


def test_a_damaged_compressed_frame_does_not_hide_its_neighbours(tmp_path, container):
    path = tmp_path / f"s.{container}"
    content().write(path, compression="gzip")
    if container == "h5":
        with h5py.File(path) as file:
            place = file["key_frames"].id.get_chunk_info(4)
            start = place.byte_offset
    else:
        start = 4 * 110
    flip(frame_file(path), start + 20, 0x40)
    findings = list(verify(path))
    assert len(findings) == 1
    assert findings[0].position is not None


def test_paths_without_a_readable_store_raise(tmp_path, store_path):
    with pytest.raises(StoreNotFoundError):
        list(verify(tmp_path / "none.zarr"))
    (tmp_path / "x.h5").write_text("text")
    with pytest.raises(NotAStoreError):
        list(verify(tmp_path / "x.h5"))
    edit_attributes(store_path, lambda attributes: attributes.update(format_version="2.0"))
    with pytest.raises(NewerFormatError):
        list(verify(store_path))


def test_a_finding_is_converted_to_json():
    assert Finding(message="m", clip=1).to_json() == {
        "message": "m",
        "file": None,
        "clip": 1,
        "class_name": None,
        "position": None,
    }
