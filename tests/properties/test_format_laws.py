"""Laws of the format: what is written is read, whatever the container, the order and the way through."""

import io
import itertools
import tempfile
from pathlib import Path

import h5py
import numpy as np
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from dfs_store import testing
from dfs_store.format import copy_store, count_storage, open_store, verify
from dfs_store.format.coded.encoder import encode_clip
from dfs_store.format.coded.encoding import parse_encoding
from dfs_store.format.coded.levels import pixel_levels
from dfs_store.format.quantization import decode, encode, error_bound
from tests.format.making import ENCODINGS

few = settings(max_examples=25, deadline=None)
container = st.sampled_from(("zarr", "h5"))
any_stores = testing.stores(encodings=(None, *ENCODINGS))


def expected_frames(content, clip):
    """What the key frames of a clip read as: its error is that of its dtype, or of its image files alone."""
    if content.encoding is None:
        return decode(*encode(clip.key_frames, content.dtype))
    levels = pixel_levels(content.attributes["normalization"], 3)
    done = encode_clip(clip.key_frames, parse_encoding(content.encoding), levels)
    count = len(done.levels)
    return decode(done.levels, np.tile(levels.scale, (count, 1)), np.tile(levels.zero, (count, 1)))


def without_what_the_encoder_adds(attributes):
    provenance = {key: value for key, value in attributes["provenance"].items() if key != "frame_encoding"}
    return attributes | {"provenance": provenance}


def assert_holds(path, content):
    with open_store(path) as store:
        assert (store.num_frames, store.frame_shape, store.dtype) == (
            content.num_frames,
            content.frame_shape,
            content.dtype,
        )
        assert store.class_names == content.class_names
        found = {key: store.attributes[key] for key in content.attributes}
        assert without_what_the_encoder_adds(found) == without_what_the_encoder_adds(content.attributes)
        assert store.frame_encoding == (content.encoding and content.encoding[:4])
        assert store.labels.tolist() == [clip.label for clip in content.clips]
        for number, clip in enumerate(content.clips):
            assert np.array_equal(store.positions(number), clip.positions)
            assert store.key_frames(number).tobytes() == expected_frames(content, clip).tobytes()
            steps = store.inserted_at(number)
            assert steps is None if clip.inserted_at is None else np.array_equal(steps, clip.inserted_at)


@few
@given(any_stores, container)
def test_what_is_written_is_read_and_sound(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"s.{suffix}"
        content.write(path)
        assert_holds(path, content)
        assert list(verify(path)) == []


@few
@given(any_stores, st.data())
def test_any_chunks_and_compression_are_the_same_store(content, data):
    def options(name, array):
        least = [-(-side // 16) if name == "coded_frames" else 1 for side in array.shape]
        sides = zip(least, array.shape, strict=True)
        chunks = tuple(data.draw(st.integers(*side), label=name) for side in sides)
        return {"shape": array.shape, "dtype": array.dtype, "chunks": chunks}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content.write(folder / "a.zarr")
        source = zarr.open_group(folder / "a.zarr", mode="r")
        target = zarr.create_group(folder / "b.zarr", attributes=source.attrs.asdict())
        for key, array in source.arrays():
            level = data.draw(st.sampled_from((None, "auto")))
            target.create_array(key, compressors=level, **options(key, array))[...] = array[...]
        content.write(folder / "a.h5")
        with h5py.File(folder / "a.h5") as source, h5py.File(folder / "b.h5", "w") as target:
            for key, array in source.items():
                level = data.draw(st.sampled_from((None, "gzip", "lzf")))
                made = target.create_dataset(key, compression=level, **options(key, array))
                made[...] = array[...]
        for copy in ("b.zarr", "b.h5"):
            assert_holds(folder / copy, content)
            assert list(verify(folder / copy)) == []
            assert open_store(folder / copy).read_path == "general"


@few
@given(any_stores, st.sampled_from((None, "gzip")))
def test_zarr_to_hdf5_to_zarr_is_the_identity(content, compression):
    compression = compression if content.encoding is None else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content.write(folder / "a.zarr")
        copy_store(folder / "a.zarr", folder / "b.h5", compression=compression)
        copy_store(folder / "b.h5", folder / "c.zarr")
        for middle in ("b.h5", "c.zarr"):
            assert_holds(folder / middle, content)
        for file in (folder / "a.zarr").rglob("*"):
            if file.is_file():
                assert (
                    file.read_bytes()
                    == (folder / "c.zarr" / file.relative_to(folder / "a.zarr")).read_bytes()
                )


@few
@given(any_stores, container, st.randoms(use_true_random=False))
def test_the_order_of_appends_is_kept_through_reopening_and_subsets(content, suffix, random):
    shuffled = list(content.clips)
    random.shuffle(shuffled)
    content = testing.StoreContent(**{**vars(content), "clips": shuffled})
    kept = content.class_names[:1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content.write(folder / f"a.{suffix}")
        assert_holds(folder / f"a.{suffix}", content)
        chosen = [clip for clip in shuffled if clip.label == 0]
        if chosen:
            copy_store(folder / f"a.{suffix}", folder / "b.zarr", classes=kept)
            subset = testing.StoreContent(**{**vars(content), "clips": chosen, "class_names": kept})
            assert_holds(folder / "b.zarr", subset)


def decoded_by_hand(group):
    """Returns the frames of image files, by Pillow alone."""
    coded = group["coded_frames"][...].tobytes()
    frames = []
    for start, stop in itertools.pairwise(group["coded_offsets"][...].tolist()):
        with Image.open(io.BytesIO(coded[start:stop])) as image:
            frames += [np.asarray(each.convert("RGB")) for each in ImageSequence.Iterator(image)]
    return np.stack(frames).transpose(0, 3, 1, 2)


def read_independently(path):
    """Decoded clips and labels by zarr or h5py alone: nothing of this library."""
    group = zarr.open_group(path, mode="r") if path.suffix == ".zarr" else h5py.File(path)
    offsets, labels = group["offsets"][...], group["labels"][...].tolist()
    frames = (group["key_frames"][...] if "key_frames" in group else decoded_by_hand(group)).astype(
        np.float32
    )
    if "scale" in group:
        frames = frames * group["scale"][...][:, :, None, None] + group["zero"][...][:, :, None, None]
    positions = group["positions"][...]
    if path.suffix != ".zarr":
        group.close()
    slices = [slice(start, stop) for start, stop in itertools.pairwise(offsets)]
    return [
        (frames[part], positions[part].tolist(), label) for part, label in zip(slices, labels, strict=True)
    ]


@few
@given(any_stores, container, st.sampled_from((None, "gzip")))
def test_an_independent_reader_agrees(content, suffix, compression):
    compression = compression if content.encoding is None else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"s.{suffix}"
        content.write(path, compression=compression)
        store = open_store(path)
        clips = read_independently(path)
        assert len(clips) == len(store)
        for number, (frames, positions, label) in enumerate(clips):
            assert np.array_equal(frames, store.key_frames(number))
            assert positions == store.positions(number).tolist()
            assert label == store.labels[number]
            times = np.arange(content.num_frames)
            flat = frames.reshape(len(frames), -1)
            by_hand = np.stack([np.interp(times, positions, column) for column in flat.T], axis=1)
            rebuilt = store.clip(number).reshape(content.num_frames, -1)
            np.testing.assert_allclose(rebuilt, by_hand, rtol=1e-5, atol=1e-3)
            assert np.array_equal(store.clip(number)[positions], frames)


@few
@given(any_stores, container)
def test_storage_is_counted_by_its_formulas_and_stays_below_dense(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"s.{suffix}"
        content.write(path)
        report = open_store(path).storage
    itemsize = np.dtype(content.dtype).itemsize
    frame = int(np.prod(content.frame_shape))
    assert report.num_key_frames == content.num_key_frames
    if content.encoding is None:
        assert report.key_frame_bytes == content.num_key_frames * frame * itemsize
        assert report.key_frame_bytes <= report.float32_bytes
    assert report.float32_bytes <= report.dense_bytes
    assert report.dense_bytes == len(content.clips) * content.num_frames * frame * 4
    assert report.on_disk_bytes >= report.key_frame_bytes + report.index_bytes


@given(
    st.integers(1, 10**7),
    st.sampled_from(("float32", "float16", "uint8")),
    testing.frame_shapes(max_side=200),
)
def test_one_more_key_frame_costs_one_frame(count, dtype, frame_shape):
    def forecast(num_key_frames):
        return count_storage(
            num_key_frames=num_key_frames,
            num_clips=1,
            num_frames=2,
            frame_shape=frame_shape,
            dtype=dtype,
            index_bytes=0,
            on_disk_bytes=0,
        )

    grown, before = forecast(count + 1), forecast(count)
    frame = int(np.prod(frame_shape))
    assert grown.key_frame_bytes - before.key_frame_bytes == frame * np.dtype(dtype).itemsize
    assert grown.float32_bytes - before.float32_bytes == frame * 4


any_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    st.lists(any_float32, min_size=1, max_size=8),
    st.sampled_from(("float32", "float16", "uint8")),
    st.sampled_from((1.0, 2.0**-20, 2.0**-140)),
)
def test_quantisation_keeps_its_stated_bound(values, dtype, factor):
    limit = {"float32": 3e38, "float16": 65519, "uint8": 1.6e38}[dtype]
    frames = np.clip(np.array(values, dtype=np.float64) * factor, -limit, limit).astype(np.float32)
    frames = frames.reshape(1, 1, 1, -1)
    error = np.abs(decode(*encode(frames, dtype)).astype(np.float64) - frames)
    assert (error <= error_bound(frames, dtype)).all()


@few
@given(testing.key_frame_sets(), st.sampled_from(("float32", "float16", "uint8")))
def test_storing_twice_is_storing_once(clip, dtype):
    once = decode(*encode(clip.key_frames, dtype))
    twice = decode(*encode(once, dtype))
    if dtype == "uint8":
        assert (np.abs(twice - once) <= error_bound(once, dtype)).all()
    else:
        assert np.array_equal(twice, once)
