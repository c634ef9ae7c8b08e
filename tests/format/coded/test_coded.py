"""Key frames stored as image files are written, read, checked, converted and counted."""

import os
import time

import numpy as np
import pytest

from dfs_store.errors import ClipError, DamagedStoreError, NewerFormatError, SettingsError
from dfs_store.format import copy_store, open_store, repair_store, verify
from dfs_store.format.accounting import count_index
from dfs_store.format.coded.encoder import encode_clip
from dfs_store.format.coded.encoding import parse_encoding
from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.quantization import Encoded, decode
from tests.format.making import ENCODINGS, coded_content, content, edit_attributes, flip, open_writer
from tests.format.test_writer import files_of

SUFFIXES = (".zarr", ".zarr.zip", ".h5")


def all_bytes(path):
    return files_of(path) if path.is_dir() else path.read_bytes()


def expected_frames(stored, clip):
    """Returns a clip's expected levels and key frames, encoded and decoded by the codec alone."""
    levels = pixel_levels(stored.attributes["normalization"], 3)
    done = encode_clip(stored.clips[clip].key_frames, parse_encoding(stored.encoding), levels)
    count = len(done.levels)
    scale, zero = np.tile(levels.scale, (count, 1)), np.tile(levels.zero, (count, 1))
    return done.levels, decode(done.levels, scale, zero)


def same(first, second):
    assert first.content_digest == second.content_digest
    for clip in range(len(first)):
        assert first.coded_clip(clip) == second.coded_clip(clip)
        assert np.array_equal(first.key_frames(clip), second.key_frames(clip))
        assert np.array_equal(first.inserted_at(clip), second.inserted_at(clip))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_store_is_read_as_it_was_written(tmp_path, encoding, suffix):
    stored, path = coded_content(encoding), tmp_path / f"s{suffix}"
    stored.write(path)
    store = open_store(path)
    assert (store.frame_encoding, store.dtype, store.read_path) == (encoding[:4], "uint8", "fast")
    assert store.attributes["frame_encoding"]["unit"] == {"webp": "frame", "avif": "clip"}[encoding[:4]]
    for number, clip in enumerate(stored.clips):
        levels, frames = expected_frames(stored, number)
        assert np.array_equal(store.key_frames(number), frames)
        start, stop = store.offsets[number : number + 2]
        assert np.array_equal(store.stored_frames(start, stop), levels)
        assert np.array_equal(store.inserted_at(number), clip.inserted_at)
        # The encoding is lossy, but the picture is the same.
        assert np.abs(frames - clip.key_frames).mean() < 0.25
    # One frame of a sequence, in several spans and threads.
    found = store.stored_spans([(4, 5), (0, 12), (3, 4)], threads=2)
    assert np.array_equal(found[0][0], found[1][4])
    assert np.array_equal(found[2][0], found[1][3])
    assert list(verify(path)) == []
    about = store.attributes["provenance"]["frame_encoding"]
    assert about["quality"] == int(encoding[5:])
    assert about["psnr"] > 20


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (33, 64)])
def test_frames_of_any_size_and_quality_are_encoded(tmp_path, encoding, size):
    for quality in (0, 100):
        stored = coded_content(f"{encoding[:4]}:{quality}", size=size)
        stored.write(tmp_path / "s.h5", overwrite=True)
        with open_store(tmp_path / "s.h5") as store:
            for clip in range(4):
                assert np.array_equal(store.key_frames(clip), expected_frames(stored, clip)[1])


def test_many_small_frames_of_noise_are_encoded_at_the_best_quality(tmp_path):
    # libaom's buffer is too small for these, see encode_avif
    frames = np.random.default_rng(0).uniform(size=(24, 3, 32, 32)).round().astype(np.float32)
    options = {"num_frames": 24, "frame_shape": (3, 32, 32), "encoding": "avif:100"}
    with open_writer(tmp_path / "s.h5", **options) as writer:
        writer.append(frames, range(24), 0)
    assert open_store(tmp_path / "s.h5").attributes["provenance"]["frame_encoding"]["psnr"] > 5
    assert list(verify(tmp_path / "s.h5")) == []


def test_equal_input_gives_equal_bytes_at_any_time(tmp_path):
    cases = [(f"{encoding[:4]}{suffix}", encoding) for encoding in ENCODINGS for suffix in SUFFIXES]
    for name, encoding in cases:
        coded_content(encoding).write(tmp_path / f"a-{name}")
    time.sleep(1.1)  # AVIF files record when they were made, in seconds
    for name, encoding in cases:
        coded_content(encoding).write(tmp_path / f"b-{name}")
        assert all_bytes(tmp_path / f"a-{name}") == all_bytes(tmp_path / f"b-{name}")


def test_conversion_through_every_container_changes_nothing(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5")
    copy_store(tmp_path / "b.h5", tmp_path / "c.zarr.zip")
    copy_store(tmp_path / "c.zarr.zip", tmp_path / "d.zarr")
    for name in ("b.h5", "c.zarr.zip"):
        same(open_store(tmp_path / "a.zarr"), open_store(tmp_path / name))
    assert all_bytes(tmp_path / "a.zarr") == all_bytes(tmp_path / "d.zarr")


def test_key_frames_are_encoded_again_for_a_different_quality(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.h5")
    copy_store(tmp_path / "a.h5", tmp_path / "b.h5", encoding=f"{encoding[:4]}:5")
    before, after = open_store(tmp_path / "a.h5"), open_store(tmp_path / "b.h5")
    assert after.levels.equals(before.levels)
    assert after.storage.key_frame_bytes < before.storage.key_frame_bytes
    assert after.attributes["provenance"]["frame_encoding"]["quality"] == 5
    # The name without a quality copies the files.
    copy_store(tmp_path / "a.h5", tmp_path / "c.h5", encoding=encoding[:4])
    assert all_bytes(tmp_path / "a.h5") == all_bytes(tmp_path / "c.h5")


def test_measurements_of_the_old_files_are_not_copied(tmp_path, encoding):
    stored = coded_content(encoding)
    sources = [{"clip": clip, "psnr": 20.0} for clip in range(4)]
    stored.attributes["provenance"] = {"fit": {"psnr": 20.0}, "sources": sources, "seed": 3}
    stored.write(tmp_path / "a.zarr")
    for name, how in {"same": {}, "numbers": {"encoding": "none"}, "anew": {"encoding": "webp:20"}}.items():
        copy_store(tmp_path / "a.zarr", tmp_path / f"{name}.h5", **how)
    said = {
        name: open_store(tmp_path / f"{name}.h5").attributes["provenance"]
        for name in ("same", "numbers", "anew")
    }
    assert said["same"] == open_store(tmp_path / "a.zarr").attributes["provenance"]
    assert said["numbers"] == {"fit": {"psnr": 20.0}, "sources": sources, "seed": 3}  # the same values
    assert said["anew"]["sources"] == [{"clip": clip} for clip in range(4)]
    assert "fit" not in said["anew"]
    assert said["anew"]["frame_encoding"]["quality"] == 20


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="/proc/self/maps lists what is mapped")
@pytest.mark.parametrize("suffix", [".zarr", ".h5"])  # an archive stays memory-mapped
def test_a_closed_store_keeps_no_file_open(tmp_path, encoding, suffix):
    path = tmp_path / f"s{suffix}"
    coded_content(encoding).write(path)

    def mapped():
        with open("/proc/self/maps") as maps:
            return [line for line in maps if str(path) in line]

    store = open_store(path)
    store.key_frames(1)
    assert mapped()
    store.close()
    assert mapped() == []


def test_encoding_none_stores_the_decoded_levels(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5", encoding="none")
    before, after = open_store(tmp_path / "a.zarr"), open_store(tmp_path / "b.h5")
    assert (after.frame_encoding, after.dtype, after.levels) == (None, "uint8", None)
    assert "frame_encoding" not in after.attributes["provenance"]
    assert np.array_equal(after.stored_frames(0, 12), before.stored_frames(0, 12))
    for clip in range(4):
        assert np.array_equal(after.key_frames(clip), before.key_frames(clip))
    assert list(verify(tmp_path / "b.h5")) == []
    copy_store(tmp_path / "a.zarr", tmp_path / "c.h5", dtype="float32")
    assert np.array_equal(open_store(tmp_path / "c.h5").key_frames(3), before.key_frames(3))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_conversion_encodes_frames_like_a_writer(tmp_path, encoding, dtype):
    plain = coded_content(None)
    vars(plain)["dtype"] = dtype
    plain.write(tmp_path / "a.h5")
    copy_store(tmp_path / "a.h5", tmp_path / "b.zarr", encoding=encoding)
    found = open_store(tmp_path / "b.zarr")
    assert found.levels.equals(pixel_levels(plain.attributes["normalization"], 3))
    if dtype == "float32":
        coded_content(encoding).write(tmp_path / "c.zarr")
        same(found, open_store(tmp_path / "c.zarr"))


def test_values_far_outside_the_pixel_range_get_wider_levels(tmp_path, encoding):
    stored = coded_content(None)
    vars(stored)["dtype"] = "float32"
    for clip in stored.clips:
        clip.key_frames[:] *= 6
    stored.write(tmp_path / "a.h5")
    copy_store(tmp_path / "a.h5", tmp_path / "b.h5", encoding=f"{encoding[:4]}:100")
    before, after = open_store(tmp_path / "a.h5"), open_store(tmp_path / "b.h5")
    assert (after.levels.scale > pixel_levels(stored.attributes["normalization"], 3).scale * 2).all()
    error = np.abs(after.key_frames(3) - before.key_frames(3)).mean()
    assert error < 0.1 * np.abs(before.key_frames(3)).mean()
    assert after.attributes["provenance"]["frame_encoding"]["clipped_share"] < 0.01


def test_a_subset_keeps_the_image_files_of_its_clips(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "a.zarr")
    copy_store(tmp_path / "a.zarr", tmp_path / "b.h5", without=[0, 2])
    before, after = open_store(tmp_path / "a.zarr"), open_store(tmp_path / "b.h5")
    assert [after.coded_clip(clip) for clip in range(2)] == [before.coded_clip(clip) for clip in (1, 3)]
    assert np.array_equal(after.key_frames(1), before.key_frames(3))
    assert list(verify(tmp_path / "b.h5")) == []


def place_of(path, data):
    file = path / "coded_frames" / "c.0" if path.is_dir() else path
    return file, file.read_bytes().index(data)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_a_damaged_image_file_is_reported_and_repaired(tmp_path, encoding, suffix):
    path, saved = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    coded_content(encoding).write(path)
    damaged = open_store(path).coded_clip(2)[-1]
    file, place = place_of(path, damaged)
    flip(file, place + len(damaged) - 3)
    store = open_store(path)
    with pytest.raises(DamagedStoreError, match=r"\(clip 2, class 'left', position ., file .*does not match"):
        store.key_frames(2)
    assert store.key_frames(3).shape[0] == 6
    lost = [5] if encoding.startswith("webp") else [0, 2, 5]
    found = list(verify(path))
    assert [(each.clip, each.position) for each in found] == [(2, position) for position in lost]
    assert {"does not match its checksum" in each.message for each in found} == {True}
    (finding,) = repair_store(path, saved)
    assert finding.clip == 2
    repaired = open_store(saved)
    assert [repaired.coded_clip(clip) for clip in range(3)] == [store.coded_clip(clip) for clip in (0, 1, 3)]
    assert list(verify(saved)) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_report_counts_image_files_and_the_index(tmp_path, encoding, suffix):
    path = tmp_path / f"s{suffix}"
    coded_content(encoding).write(path)
    store = open_store(path)
    report = store.storage
    assert report.key_frame_bytes == sum(len(file) for clip in range(4) for file in store.coded_clip(clip))
    assert report.method_bytes == report.key_frame_bytes
    assert report.index_bytes == count_index(12, 4, 3, "uint8", with_steps=True, encoding=encoding[:4])
    assert report.float32_bytes == 12 * 3 * 17 * 13 * 4
    files = [os.path.join(top, name) for top, _, names in os.walk(path) for name in names] or [path]
    assert report.on_disk_bytes == sum(map(os.path.getsize, files))
    assert report.on_disk_bytes > report.key_frame_bytes + report.index_bytes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoding": "webp", "dtype": "float32"}, "dtype must be uint8, got 'float32'"),
        ({"encoding": "webp", "dtype": "float16"}, "dtype must be uint8, got 'float16'"),
        ({"encoding": "avif", "compression": "gzip"}, "remove compression 'gzip'"),
        ({"encoding": "avif", "frame_shape": (1, 4, 4)}, "3 channels .*got 1"),
        ({"encoding": "webp", "frame_shape": (3, 1, 16384)}, "at most 16383 rows and columns"),
        ({"encoding": "webp:101"}, "from 0 to 100, got '101'"),
        ({"encoding": "webp:-1"}, "from 0 to 100, got '-1'"),
        ({"encoding": "avif:"}, "from 0 to 100, got ''"),
        ({"encoding": "avif:6.5"}, "from 0 to 100, got '6.5'"),
        ({"encoding": "jpeg"}, r"must be none, webp\[:QUALITY\] or avif\[:QUALITY\], got 'jpeg'"),
        ({"attributes": {"frame_encoding": None}}, "must not contain frame_encoding"),
    ],
)
def test_impossible_encoding_settings_are_refused(tmp_path, options, said):
    with pytest.raises(SettingsError, match=said), open_writer(tmp_path / "s.h5", **options):
        pass
    assert not list(tmp_path.iterdir())


def test_invalid_clips_are_refused_and_the_others_written(tmp_path, encoding):
    stored = coded_content(encoding)
    stored.write(tmp_path / "a.h5")
    source = open_store(tmp_path / "a.h5")
    options = {"frame_shape": (3, 17, 13), "encoding": encoding, "levels": source.levels}
    frames = np.zeros((1, 3, 17, 13), np.uint8)
    whole = source.coded_clip(0)
    with open_writer(tmp_path / "b.h5", **options) as writer:
        with pytest.raises(ClipError, match="use append_encoded"):
            writer.append_stored(Encoded(frames, np.ones((1, 3)), np.zeros((1, 3))), [0], 0)
        for files in ([], whole * 3, [b""] * len(whole)):
            with pytest.raises(ClipError, match="non-empty file"):
                writer.append_encoded(files, [0, 5], 0)
        with pytest.raises(ClipError, match="an image file that decodes to"):
            writer.append_encoded([bytes(20_000)] * len(whole), [0, 5], 0)
        writer.append(source.key_frames(3), [0, 1, 2, 3, 4, 5], 1)
        writer.append_encoded(whole, [0, 5], 0)  # follows a clip that is still being encoded
        assert not writer.takes_files("webp" if encoding.startswith("avif") else "avif", source.levels)
        assert not writer.takes_files(encoding[:4], Levels(source.levels.scale * 2, source.levels.zero))
        assert writer.takes_files(encoding[:4], source.levels)
    after = open_store(tmp_path / "b.h5")
    assert after.coded_clip(1) == whole
    assert after.labels.tolist() == [1, 0]
    assert list(verify(tmp_path / "b.h5")) == []
    with open_writer(tmp_path / "c.h5", frame_shape=(3, 17, 13)) as writer:
        with pytest.raises(ClipError, match="are not encoded; use append"):
            writer.append_encoded(whole, [0, 5], 0)
        writer.append(source.key_frames(0), [0, 5], 0)
    with pytest.raises(SettingsError, match="not stored as image files"):
        open_store(tmp_path / "c.h5").coded_clip(0)


def test_a_clip_with_too_many_pixels_is_refused(tmp_path):
    options = {"num_frames": 65536, "frame_shape": (3, 2, 8000), "encoding": "avif"}
    with open_writer(tmp_path / "s.h5", **options) as writer:
        with pytest.raises(ClipError, match=r"at most 2,147,483,648 bytes, got .*65,536 frames"):
            writer.append_encoded([b"x"], range(65536), 0)
        writer.append(np.zeros((1, 3, 2, 8000)), [0], 0)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_an_encoding_from_a_newer_version_is_refused(tmp_path, suffix):
    path = tmp_path / f"s{suffix}"
    coded_content().write(path)
    edit_attributes(path, lambda found: found["frame_encoding"].update(name="jxl"))
    with pytest.raises(
        NewerFormatError,
        match="encoded as 'jxl', but this version of dfs-store reads only webp, avif; upgrade",
    ):
        open_store(path)
    with pytest.raises(NewerFormatError):
        list(verify(path))


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"name": "webp", "unit": "clip"}, "unit of frame_encoding webp must be 'frame', got 'clip'"),
        ({"name": "avif"}, "unit of frame_encoding avif must be 'clip', got None"),
        ({"name": 3}, "must be null or"),
        ({}, "must be null or"),
        ("webp", "must be null or"),
        (["webp"], "must be null or"),
        (None, "the array key_frames is missing"),
        ({"name": "avif", "unit": "clip"}, r"checksums must have shape \(4,\)"),
    ],
)
def test_invalid_encodings_are_refused(tmp_path, suffix, about, said):
    path = tmp_path / f"s{suffix}"
    coded_content().write(path)
    edit_attributes(path, lambda found: found.update(frame_encoding=about))
    with pytest.raises(DamagedStoreError, match=said):
        open_store(path)


@pytest.mark.parametrize("suffix", [".zarr", ".h5"])
def test_frames_that_are_wrongly_described_as_image_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"s{suffix}"
    content("uint8").write(path)
    edit_attributes(path, lambda found: found.update(frame_encoding={"name": "webp", "unit": "frame"}))
    with pytest.raises(DamagedStoreError, match="3 channels"):
        open_store(path)


def test_an_interrupted_writer_leaves_neither_store_nor_spool(tmp_path, encoding):
    def write_half():
        with open_writer(tmp_path / "s.zarr", frame_shape=(3, 4, 4), encoding=encoding) as writer:
            writer.append(np.zeros((2, 3, 4, 4)), [0, 5], 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert not list(tmp_path.iterdir())
