"""Targets for a coverage-guided fuzzer. Each reads bytes, and returns or raises one of the library's errors.

`benchmarks/fuzzing.py` runs them with atheris. Inputs that reached new code are kept in `corpus`, and the
tests read all of them again.
"""

import contextlib
import functools
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np

from dfs_store.errors import DFSError
from dfs_store.format import open_store, verify
from dfs_store.format.checks.rules import array_problems
from dfs_store.format.coded.codec import decode_file, encode_files
from dfs_store.format.digest import canonical_json
from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import SMALL_ARRAYS, parse_header
from dfs_store.format.zarr.folder_files import FolderFiles
from dfs_store.format.zarr.frames import ZarrFrames
from dfs_store.format.zarr.general import open_general_rows, read_general
from dfs_store.format.zarr.metadata import chunk_file, frames_metadata, parse_array
from dfs_store.format.zarr.zip_files import ZipFiles
from tests.format.making import content, read_attributes

CORPUS = Path(__file__).parent / "corpus"
# Arrays that a store without image files and soft labels does not have.
ABSENT = ("coded_offsets", "soft_labels")
PLAIN_ARRAYS = {name: dtype for name, dtype in SMALL_ARRAYS.items() if name not in ABSENT}


@functools.cache
def folder() -> Path:
    """A temporary folder, in memory if the system supports it."""
    shared = Path("/dev/shm")
    made = tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)
    folder.keep = made
    return Path(made.name)


@functools.cache
def sound(name: str) -> Path:
    path = folder() / name
    content("uint8" if "uint8" in name else "float32").write(path)
    return path


def header(data: bytes) -> None:
    """Parses a header."""
    try:
        attributes = parse_json(data)
    except ValueError:
        return
    with contextlib.suppress(DFSError):
        found = parse_header(attributes, "s.zarr")
        assert 2 <= found.num_frames <= 65536
        assert min(found.frame_shape) >= 1
        assert len(set(found.class_names)) == len(found.class_names) >= 1
        assert parse_json(canonical_json(found.attributes)) == found.attributes


def metadata(data: bytes) -> None:
    """Parses an array's zarr.json and reads the array, through zarr-python if its layout is not ours."""
    for name, dtype in (("labels", "int32"), ("key_frames", "float32")):
        with contextlib.suppress(DFSError):
            about = parse_array(data, name)
            if name == "labels" and about.dtype == dtype:
                if about.is_plain:
                    assert set(chunk_file(0, len(about.shape))) <= set("c0.")
                else:
                    read_general(FolderFiles(sound("a-float32.zarr")), None, name, about, 2**20)
            elif about.shard_length is not None:
                assert len(about.shape) == 4
                assert about.shard_length >= 1
            elif name == "key_frames":
                frames = open_general_rows(FolderFiles(sound("a-float32.zarr")), None, "key_frames", about)
                assert frames.read_spans([(0, 1)])[0].shape == (1, *about.shape[1:])


def index(data: bytes) -> None:
    """Reads a shard of five frames without its index checksum. The first byte selects the compressor."""
    root = folder() / "shard"
    (root / "key_frames").mkdir(parents=True, exist_ok=True)
    compressor = [None, "gzip", "zstd"][data[0] % 3] if data else None
    (root / "key_frames" / "c.0.0.0.0").write_bytes(_with_fitting_checksum(data[1:]))
    about = parse_array(json.dumps(frames_metadata("float16", (5, 1, 2, 2), 5, compressor)).encode(), "")
    files = FolderFiles(root)
    frames = open_general_rows(files, None, "key_frames", about) if compressor else ZarrFrames(files, about)
    if frames.problems():
        return
    for frame in range(5):
        with contextlib.suppress(DFSError):
            assert frames.read_spans([(frame, frame + 1)])[0].nbytes == 8
    with contextlib.suppress(DFSError):
        assert frames.read_spans([(0, 5)])[0].shape == (5, 1, 2, 2)


def _with_fitting_checksum(data: bytes) -> bytes:
    """Appends the checksum of a shard's index, which a fuzzer cannot find but an attacker can compute."""
    import google_crc32c

    tail = data[-5 * 16 :]
    return data + google_crc32c.value(tail).to_bytes(4, "little")


def arrays(data: bytes) -> None:
    """Checks small arrays, whose values are consecutive parts of the data."""
    stored = parse_header(read_attributes(sound("a-uint8.zarr")), "s.zarr")
    shapes = {"offsets": (5,), "labels": (4,), "scale": (12, 2), "zero": (12, 2)}
    found, at = {}, 0
    for name, dtype in PLAIN_ARRAYS.items():
        shape = shapes.get(name, (12,))
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        part = data[at : at + size].ljust(size, b"\0")
        at += size
        found[name] = np.frombuffer(part, dtype).reshape(shape)
    problems = list(array_problems(stored, found, 12, "uint8"))
    assert all(str(problem) for problem in problems)
    if not problems:
        offsets, positions = found["offsets"].tolist(), found["positions"].tolist()
        for begin, end in itertools.pairwise(offsets):
            places = positions[begin:end]
            assert places[0] == 0
            assert places == sorted(set(places))
            assert len(places) == 1 or places[-1] == stored.num_frames - 1


class InMemory:
    """Bytes as a `ByteSource`."""

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self.size_bytes = self._data.size

    failure = None

    def part(self, start, stop):
        assert 0 <= start <= stop <= self.size_bytes, "a server would receive an invalid range"
        return self._data[start:stop]


def zip_archive(data: bytes) -> None:
    """Reads the list of members of a zip archive, and their own headers."""
    with contextlib.suppress(DFSError):
        files = ZipFiles(Path("s.zarr.zip"), InMemory(data))
        for name, member in files._members.items():
            with contextlib.suppress(DFSError):
                assert len(files.mapped(name).bytes()) == member.size_bytes
                start = files._starts[name]
                assert member.header < start <= start + member.size_bytes <= member.limit <= len(data)


def hdf5(data: bytes) -> None:
    """Reads an HDF5 file."""
    path = folder() / "s.h5"
    path.write_bytes(data)
    with contextlib.suppress(DFSError), open_store(path) as store:
        for clip in range(len(store)):
            store.key_frames(clip)
    with contextlib.suppress(DFSError):
        list(verify(path))


def images(data: bytes) -> None:
    """Decodes an image file. The first byte selects WebP, an AVIF still, or an AVIF sequence of two."""
    kind, data = data[:1], data[1:]
    name, count = (("webp", 1), ("avif", 1), ("avif", 2))[kind[0] % 3] if kind else ("avif", 1)
    with contextlib.suppress(ValueError):
        frames = decode_file(data, name, count, (4, 3))
        assert frames.shape == (count, 3, 4, 3)
        assert frames.dtype == np.uint8


TARGETS = {target.__name__: target for target in (header, metadata, index, arrays, zip_archive, hdf5, images)}


def seeds(name: str) -> list[bytes]:
    """Returns valid inputs of a target, from which the fuzzer starts."""
    if name in ("header", "metadata"):
        paths = [sound("a-float32.zarr"), sound("a-uint8.zarr")]
        files = [path / ("zarr.json" if name == "header" else "labels/zarr.json") for path in paths]
        files += [path / "key_frames" / "zarr.json" for path in paths]
        texts = [file.read_bytes() for file in files]
        return (
            [canonical_json(json.loads(text)["attributes"].get("dfs_store", {})) for text in texts]
            if name == "header"
            else texts
        )
    if name == "index":
        return [_seed_shard(number) for number in range(3)]
    if name == "arrays":
        from tests.format.making import read_raw

        stored = read_raw(sound("a-uint8.zarr"))[0]
        return [
            b"".join(
                np.ascontiguousarray(stored[key], dtype).tobytes() for key, dtype in PLAIN_ARRAYS.items()
            )
        ]
    if name == "zip_archive":
        return [sound("a-float32.zarr.zip").read_bytes()]
    if name == "images":
        frames = content("float32").clips[0].key_frames[:, [0, 1, 0]].clip(0, 1) * 255
        levels = frames.astype(np.uint8)
        return [
            bytes([0]) + encode_files(levels, "webp", 50)[0],
            bytes([1]) + encode_files(levels[:1], "avif", 50)[0],
            bytes([2]) + encode_files(levels, "avif", 50)[0],
        ]
    return [sound("a-float32.h5").read_bytes()]


def _seed_shard(number: int) -> bytes:
    """Returns a valid shard for `index`, without its index checksum."""
    import zlib

    from numcodecs import zstd

    frames = [np.arange(4, dtype="<f2") + frame for frame in range(5)]
    press = [
        lambda frame: frame.tobytes(),
        lambda frame: zlib.compress(frame.tobytes(), wbits=31),
        lambda frame: zstd.compress(frame, 3),
    ][number]
    stored = [press(frame) for frame in frames]
    entries, at = [], 0
    for frame in stored:
        entries += [at, len(frame)]
        at += len(frame)
    return bytes([number]) + b"".join(stored) + np.array(entries, "<u8").tobytes()
