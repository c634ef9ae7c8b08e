"""Wrote the files in this folder, once per released minor version. The tests will always read them.

Run from the repository's root, into a folder that does not exist yet: ``python -m tests.archives.make``. The
values come from formulas, so that `expected` can be compared without any file of this library.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import zarr

from dfs_store.format import StoreWriter, copy_store
from dfs_store.format.spec import FORMAT_VERSION

FOLDER = Path(__file__).parent / FORMAT_VERSION
NUM_FRAMES, FRAME_SHAPE = 6, (2, 4, 3)
CLASS_NAMES = ["left", "Größe", "右"]
CLIPS = [([0, 5], 0), ([0], 2), ([0, 2, 5], 1), ([0, 1, 2, 3, 4, 5], 0)]
ATTRIBUTES = {
    "normalization": {"mean": [0.485, 0.456], "std": [0.229, 0.224]},
    "fps": 12.5,
    "provenance": {
        "method": "archive",
        "vpc": 1,
        "seed": 0,
        "sources": [{"file": "a/b.avi", "frames": [0, 4]}],
    },
    "unknown_key": [None, True, 1e-05, 12345678901234567890, "\U0001f3ac"],
}


def key_frames(clip: int) -> np.ndarray:
    """Values of a clip's key frames by a formula: quarters, which every dtype but uint8 holds exactly."""
    count = len(CLIPS[clip][0])
    numbers = np.arange(count * 24, dtype=np.float32).reshape(count, *FRAME_SHAPE)
    return (numbers * 7 + clip * 11) % 64 / 4 - 8


NATIVE = {
    "weights": (np.arange(24, dtype=np.float32) / 4 - 3).reshape(2, 3, 4),
    "halves": np.arange(5, dtype=np.float16) / 2,
    "levels": np.arange(250, 256, dtype=np.uint8),
    "small": np.arange(-3, 3, dtype=np.int32),
    "large": np.array([[2**60], [-(2**60)]], dtype=np.int64),
}


CODED_SHAPE = (3, 17, 13)
CODED_ATTRIBUTES = {
    "normalization": {"mean": [0.5, 0.25, 0.75], "std": [0.25, 0.5, 0.5]},
    "provenance": {"method": "archive"},
}


def pictures(clip: int) -> np.ndarray:
    """Returns a clip's key frames to store as image files, by a formula: slopes of different heights."""
    rows, columns = np.mgrid[0:17, 0:13] / 20
    frames = [
        [np.abs(rows - columns * channel / 3 - place / 10 - clip / 20) for channel in range(3)]
        for place in CLIPS[clip][0]
    ]
    mean, std = (np.array(CODED_ATTRIBUTES["normalization"][key])[:, None, None] for key in ("mean", "std"))
    return ((np.array(frames) - mean) / std).astype(np.float32)


def write_coded(path: Path, encoding: str) -> None:
    """Writes one store of image files."""
    with StoreWriter(
        path,
        num_frames=NUM_FRAMES,
        frame_shape=CODED_SHAPE,
        class_names=CLASS_NAMES,
        encoding=encoding,
        attributes=CODED_ATTRIBUTES,
    ) as writer:
        for clip, (positions, label) in enumerate(CLIPS):
            writer.append(pictures(clip), positions, label, [-1] * len(positions))


def write_all_coded() -> None:
    """Writes every container and encoding of image files."""
    for name in ("webp", "avif"):
        path = FOLDER / f"coded-{name}.zarr"
        write_coded(path, f"{name}:80")
        copy_store(path, FOLDER / f"coded-{name}.h5")
    copy_store(FOLDER / "coded-avif.zarr", FOLDER / "coded-avif.zarr.zip")
    rewrite(FOLDER / "coded-webp.zarr", FOLDER / "coded-webp-rewritten.zarr")
    rewrite(FOLDER / "coded-avif.h5", FOLDER / "coded-avif-rewritten.h5")


def write(path: Path, dtype: str, native: dict[str, np.ndarray] | None = None) -> None:
    """Writes one store."""
    with StoreWriter(
        path,
        num_frames=NUM_FRAMES,
        frame_shape=FRAME_SHAPE,
        class_names=CLASS_NAMES,
        dtype=dtype,
        attributes=ATTRIBUTES,
    ) as writer:
        for clip, (positions, label) in enumerate(CLIPS):
            # inserted_at is optional: the uint8 stores go without.
            steps = None if dtype == "uint8" else [-1] * len(positions)
            writer.append(key_frames(clip), positions, label, steps)
        if native is not None:
            writer.write_native("archive", native)


def rewrite(path: Path, target: Path) -> None:
    """Copies a store as other tools do, with different chunks, codecs and filters."""
    if path.suffix == ".zarr":
        source = zarr.open_group(path, mode="r")
        group = zarr.create_group(target, attributes=source.attrs.asdict())
        for name, array in source.arrays():
            group.create_array(name, data=array[:], chunks=tuple(-(-side // 2) for side in array.shape))
        return
    with h5py.File(path) as source, h5py.File(target, "w") as file:
        for name, dataset in source.items():
            options = {"compression": "lzf", "shuffle": True, "fletcher32": True}
            chunks = tuple(-(-side // 2) for side in dataset.shape)
            file.create_dataset(name, data=dataset, chunks=chunks, **options)


def main() -> None:
    """Writes every container and dtype, and the values that must be read from them."""
    FOLDER.mkdir()
    for dtype in ("float32", "float16", "uint8"):
        path = FOLDER / f"{dtype}.zarr"
        write(path, dtype)
        copy_store(path, FOLDER / f"{dtype}.h5")
        copy_store(path, FOLDER / f"{dtype}-zstd.zarr", compression="zstd")
        copy_store(path, FOLDER / f"{dtype}-gzip.h5", compression="gzip")
    for suffix in (".zarr", ".h5"):
        write(FOLDER / f"float32-native{suffix}", "float32", NATIVE)
    # Added with the container, whose zarr.json repeats the arrays' metadata.
    copy_store(FOLDER / "float32-native.zarr", FOLDER / "float32-native.zarr.zip")
    copy_store(FOLDER / "uint8.zarr", FOLDER / "uint8-zstd.zarr.zip", compression="zstd")
    rewrite(FOLDER / "uint8.zarr", FOLDER / "uint8-rewritten.zarr")
    rewrite(FOLDER / "float16.h5", FOLDER / "float16-rewritten.h5")
    write_all_coded()
    stored = {
        path.name: str(json.loads((path / "zarr.json").read_text())["attributes"]["dfs_store"]["digest"])
        for path in sorted(FOLDER.glob("*.zarr"))
    }
    (FOLDER / "digests.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
