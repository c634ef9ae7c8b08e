"""Makes small stores for the tests of the format, and damages them."""

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from dfs_store.format import StoreWriter
from dfs_store.format.digest import compute_digest
from dfs_store.testing import StoreContent, StoredClip

CONTAINERS = ("zarr", "h5")
DTYPES = ("float32", "float16", "uint8")
ENCODINGS = ("webp:75", "avif:60")
MEAN, STD = np.array([0.5, 0.4, 0.25])[:, None, None], np.array([0.25, 0.2, 0.5])[:, None, None]
POSITIONS = ([0, 5], [0], [0, 2, 5], [0, 1, 2, 3, 4, 5])


def content(dtype="float32", *, seed=0, with_steps=True, with_soft_labels=False):
    rng = np.random.default_rng(seed)
    clips = []
    for number, places in enumerate(POSITIONS):
        frames = rng.normal(size=(len(places), 2, 4, 3)).astype(np.float32)
        steps = np.arange(len(places), dtype=np.int32) - 1 if with_steps else None
        soft = np.array([number, -0.25], dtype=np.float16) if with_soft_labels else None
        clips.append(StoredClip(frames, np.array(places), number % 2, steps, soft))
    attributes = {
        "normalization": {"mean": [0.5, 0.25], "std": [0.5, 2.0]},
        "fps": 25,
        "provenance": {"method": "test", "seed": seed},
    }
    return StoreContent(6, (2, 4, 3), ["left", "right"], dtype, clips, attributes)


def coded_content(encoding="webp:75", *, seed=0, size=(17, 13)):
    """Smooth pictures in three channels with odd sides. Without `encoding`, they are stored as uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    clips = []
    for number, places in enumerate(POSITIONS):
        waves = rng.uniform(0.05, 0.4, size=(len(places), 3, 2))
        turns = waves[..., :1, None] * rows + waves[..., 1:, None] * columns + rng.uniform(0, 6)
        frames = ((np.sin(turns) / 2.5 + 0.5 - MEAN) / STD).astype(np.float32)
        steps = np.arange(len(places), dtype=np.int32) - 1
        clips.append(StoredClip(frames, np.array(places), number % 2, steps))
    attributes = {
        "normalization": {"mean": MEAN.ravel().tolist(), "std": STD.ravel().tolist()},
        "provenance": {"method": "test", "seed": seed},
    }
    return StoreContent(6, (3, *size), ["left", "right"], "uint8", clips, attributes, encoding)


def open_writer(path, **changes):
    options = {"num_frames": 6, "frame_shape": (2, 4, 3), "class_names": ["left", "right"]} | changes
    return StoreWriter(path, **options)


def flip(file: Path, offset: int, mask: int = 1) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= mask
    file.write_bytes(data)


def edit_attributes(path: Path, change, *, redigest: bool = False) -> None:
    """Changes the header in place. With `redigest`, the digest is updated."""
    attributes = read_attributes(path)
    change(attributes)
    if redigest:
        arrays, shape, dtype = read_raw(path)
        attributes["digest"] = compute_digest(attributes, arrays, shape, dtype)
    if path.suffix == ".zarr":
        file = path / "zarr.json"
        root = json.loads(file.read_text())
        root["attributes"]["dfs_store"] = attributes
        file.write_text(json.dumps(root))
    else:
        with h5py.File(path, "r+") as file:
            write_header(file, json.dumps(attributes).encode())


def write_header(file: h5py.File, text: bytes) -> None:
    """Replaces the header of an HDF5 store with a text."""
    del file["dfs_store"]
    file["dfs_store"] = np.frombuffer(text, dtype=np.uint8)


def read_attributes(path: Path):
    if path.suffix == ".zarr":
        return json.loads((path / "zarr.json").read_text())["attributes"]["dfs_store"]
    with h5py.File(path) as file:
        return json.loads(file["dfs_store"][...].tobytes())


def read_raw(path: Path):
    """Returns the small arrays, and the shape and dtype of key_frames, read with zarr or h5py alone."""
    if path.suffix == ".zarr":
        import zarr

        group = zarr.open_group(path, mode="r")
        names = [name for name, _ in group.arrays() if name != "key_frames"]
    else:
        group = h5py.File(path)
        names = [
            name
            for name in group
            if name not in ("key_frames", "dfs_store") and isinstance(group[name], h5py.Dataset)
        ]
    arrays = {name: np.asarray(group[name][...]) for name in names}
    shape, dtype = group["key_frames"].shape, np.dtype(group["key_frames"].dtype).name
    if path.suffix != ".zarr":
        group.close()
    return arrays, shape, dtype


def write_array(path: Path, name: str, values) -> None:
    """Replaces the values of an array in a store."""
    if path.suffix == ".zarr":
        import zarr

        zarr.open_group(path, mode="r+")[name][...] = values
    else:
        with h5py.File(path, "r+") as file:
            file[name][...] = values


def assert_reads_survive_threads_and_forks(store):
    """Reads four clips in four threads, and in two forked processes."""
    expected = [store.key_frames(clip) for clip in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(store.key_frames, [0, 1, 2, 3] * 10))
    assert all(np.array_equal(frames, expected[number % 4]) for number, frames in enumerate(found))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(store.key_frames, range(4))
    assert all(map(np.array_equal, found, expected))


def write_encoded(path, encoding, *, seed=0):
    """Writes clips of smooth pictures, under ImageNet's normalization, as image files."""
    rng = np.random.default_rng(seed)
    normalization = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    mean, std = (np.array(normalization[key])[:, None, None] for key in ("mean", "std"))
    slope = np.add.outer(np.linspace(0, 0.6, 24), np.linspace(0, 0.3, 32))
    with StoreWriter(
        path,
        num_frames=6,
        frame_shape=(3, 24, 32),
        class_names=["left", "right"],
        encoding=encoding,
        attributes={"normalization": normalization, "provenance": {"method": "test", "seed": seed}},
    ) as writer:
        for number, places in enumerate(POSITIONS):
            pixels = np.clip(slope + rng.uniform(0, 0.1, size=(len(places), 3, 1, 1)), 0, 1)
            writer.append((pixels - mean) / std, places, number % 2, np.full(len(places), -1))
