"""Attacks on readers of Zarr: its metadata, shards, compressors and files."""

import json
import os
import pickle
import shutil
import zlib
from pathlib import Path

import google_crc32c
import numpy as np

from tests.attacks.recipes.registry import Shell, attack, zeros_compressed

PETA = 2**50


def edit_json(file: Path, change) -> None:
    """Changes a zarr.json; the root repeats none of an array afterwards, as it would have to agree."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    root = next(folder for folder in file.parents if folder.suffix == ".zarr") / "zarr.json"
    if root != file:
        repeated = json.loads(root.read_text())
        repeated.pop("consolidated_metadata", None)
        root.write_text(json.dumps(repeated))


@attack(
    "what zarr.json says of .* is not what .*/zarr.json says",
    ".zarr",
    name=["labels", "key_frames", "positions", "labels"],
    change=[
        lambda metadata: metadata["shape"].__setitem__(0, 5),
        lambda metadata: metadata["chunk_grid"]["configuration"]["chunk_shape"].__setitem__(0, 7),
        lambda metadata: metadata["chunk_key_encoding"]["configuration"].update(separator="/"),
        lambda metadata: metadata.pop("codecs"),
    ],
)
def metadata_told_twice(path, name, change):
    """One reader takes what the root repeats, another what the array says."""
    edit_json(path / "zarr.json", lambda root: change(root["consolidated_metadata"]["metadata"][name]))


def claim(path: Path, name: str, rows: int) -> None:
    def change(metadata):
        metadata["shape"][0] = rows
        metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = rows

    edit_json(path / name / "zarr.json", change)


@attack("1,?125,?899,?906,?842,?624", ".zarr", name=["key_frames", "positions", "labels", "checksums"])
def a_petabyte(path, name):
    """A few bytes that claim all memory."""
    claim(path, name, PETA)


@attack("needs 2,251,799,813,685,248 bytes, the file has 24", ".zarr")
def a_petabyte_everywhere(path):
    """As before, with claims that agree with each other."""
    for name in ("key_frames", "positions", "inserted_at", "checksums"):
        claim(path, name, PETA)


@attack("labels", ".zarr")
def sizes_whose_product_is_zero(path):
    """2**62 values of 4 bytes: 0 modulo 2**64."""
    claim(path, "labels", 2**62)


@attack(
    "whole numbers|describe an array|data_type",
    ".zarr",
    change=[
        {"shape": [-4]},
        {"shape": [float("1e300")]},
        {"shape": [2**70]},
        {"shape": []},
        {"shape": [[4]]},
        {"data_type": ["int32"]},
        {"node_type": "group"},
    ],
)
def shapes_that_are_none(path, change):
    """Negative, endless or mistyped shapes."""
    edit_json(path / "labels" / "zarr.json", lambda metadata: metadata.update(change))


@attack(
    "whole numbers|at least one clip|frames of",
    ".zarr",
    shape=[[12, 2, 4, -3], [12, 2**61, 2**61, 2**61], [0, 2, 4, 3]],
)
def frames_that_are_none(path, shape):
    """The same, of the array of frames."""

    def change(metadata):
        metadata.update(shape=shape)
        metadata["chunk_grid"]["configuration"]["chunk_shape"] = [12, *shape[1:]]
        metadata["codecs"][0]["configuration"]["chunk_shape"] = [1, *shape[1:]]

    edit_json(path / "key_frames" / "zarr.json", change)


@attack("index of .* frames needs", ".zarr", length=[PETA, 2**60])
def a_shard_of_a_petabyte(path, length):
    """An index that takes all memory."""
    edit_json(
        path / "key_frames" / "zarr.json",
        lambda metadata: metadata["chunk_grid"]["configuration"]["chunk_shape"].__setitem__(0, length),
    )


@attack("missing|smaller|needs|index", ".zarr")
def shards_without_number(path):
    """A shard of one frame, and as many frames as there can be: a loop over files that are not there."""
    for name in ("positions", "inserted_at", "checksums"):
        claim(path, name, 2**40)
    edit_json(
        path / "key_frames" / "zarr.json",
        lambda metadata: (
            metadata["shape"].__setitem__(0, 2**40),
            metadata["chunk_grid"]["configuration"]["chunk_shape"].__setitem__(0, 1),
        ),
    )


def write_index(path: Path, change) -> None:
    """Rewrites the index of the one shard, its checksum fitting."""
    file = path / "key_frames" / "c.0.0.0.0"
    data = file.read_bytes()
    index = np.frombuffer(data[-12 * 16 - 4 : -4], dtype="<u8").reshape(12, 2).copy()
    change(index)
    crc = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    file.write_bytes(data[: -12 * 16 - 4] + index.tobytes() + crc)


@attack(
    "",
    ".zarr",
    frame=[3, 3, 11, 0, 0, 0, 5, 5],
    start=[2 * 96, 2 * 96 + 1, 11 * 96 + 1, 2**63, 2**64 - 96, 96, 5 * 96, 2**64 - 1],
    size=[96, 96, 96, 96, 96, 2**64 - 96, 95, 2**64 - 1],
    words=[
        "overlap",
        "overlap",
        "frames end at 1,152",
        "claims bytes 9,223,372,036,854,775,808",
        "claims",
        "claims",
        "has 96 bytes, the index says 95",
        "frame 5 of the shard is missing",
    ],
)
def crossing_offsets_in_a_shard(path, frame, start, size):
    """Frames that overlap, lie outside the file, or wrap around; the index's checksum fits."""
    write_index(path, lambda index: index.__setitem__(frame, (start, size)))


@attack("checksum", ".zarr")
def two_frames_exchanged_in_the_index(path):
    """Another picture, by the index alone."""
    write_index(path, lambda index: index.__setitem__([0, 1], index[[1, 0]]))


@attack("index does not match", ".zarr")
def an_index_whose_checksum_is_wrong(path):
    """A changed index."""
    file = path / "key_frames" / "c.0.0.0.0"
    data = bytearray(file.read_bytes())
    data[-20] ^= 4
    file.write_bytes(data)


@attack(
    "leads out of the store", ".zarr", relative=["labels/c.0", "key_frames/c.0.0.0.0", "labels", "zarr.json"]
)
def links_that_lead_out(path, relative):
    """A file of the reader's, shown as if it were the store's."""
    outside = path.parent / f"outside-{path.name}"
    shutil.move(path / relative, outside)
    (path / relative).symlink_to(outside)


@attack(
    "leads out of the store",
    ".zarr",
    target=["../../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/mem"],
)
def links_to_files_of_the_system(path, target):
    """A secret, or a file without an end."""
    (path / "labels" / "c.0").unlink()
    (path / "labels" / "c.0").symlink_to(target)


@attack("unreadable|missing|leads out|Too many levels", ".zarr")
def a_link_to_itself(path):
    """A path that is never resolved."""
    (path / "labels" / "c.0").unlink()
    (path / "labels" / "c.0").symlink_to("c.0")


@attack("regular file", ".zarr", name=["labels/c.0", "zarr.json", "key_frames/c.0.0.0.0"])
def a_pipe_in_place_of_a_file(path, name):
    """A reader that waits for ever."""
    (path / name).unlink()
    os.mkfifo(path / name)


@attack("regular file|Is a directory", ".zarr", name=["labels/c.0", "zarr.json", "key_frames/c.0.0.0.0"])
def a_folder_in_place_of_a_file(path, name):
    """An error of the system where none is expected."""
    (path / name).unlink()
    (path / name).mkdir()


@attack("more than the 268,435,456 allowed", ".zarr")
def a_header_of_terabytes(path):
    """A sparse file, which takes no disk, read as a whole."""
    with (path / "zarr.json").open("r+b") as file:
        file.truncate(2**42)


@attack("has 4,398,046,511,104|more than|must|longer", ".zarr")
def an_array_of_terabytes(path):
    """The same, of a small array."""
    with (path / "labels" / "c.0").open("r+b") as file:
        file.truncate(2**42)


@attack(
    "zstd or gzip, got",
    ".zarr",
    codec=["numcodecs.pickle", "pickle", "blosc", "numcodecs.json2", "x" * 10_000],
)
def codecs_that_run_code(path, codec):
    """A codec of an installed package, found by its name and run with settings from the store."""
    edit_json(
        path / "key_frames" / "zarr.json",
        lambda metadata: metadata["codecs"][0]["configuration"]["codecs"].append(
            {"name": codec, "configuration": {"module": "os", "name": "system"}}
        ),
    )


@attack("no store|no JSON|damaged|bytes", ".zarr", name=["zarr.json", "labels/c.0", "labels/zarr.json"])
def pickled_code(path, name):
    """A pickle where data is expected, to be loaded and run."""
    (path / name).write_bytes(pickle.dumps(Shell()))


def replace_first_frame(path: Path, stored: bytes) -> None:
    """Puts other compressed bytes in place of frame 0 of a compressed Zarr store, the index fitting."""
    file = path / "key_frames" / "c.0.0.0.0"
    data = file.read_bytes()
    index = np.frombuffer(data[-12 * 16 - 4 : -4], dtype="<u8").reshape(12, 2).copy()
    frames = data[: -12 * 16 - 4] + stored
    index[0] = len(frames) - len(stored), len(stored)
    crc = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    file.write_bytes(frames + index.tobytes() + crc)


@attack("gzip: expands to more than the 96 bytes", ".zarr", compression="gzip")
def a_bomb_of_gzip(path):
    """Two gigabytes of zeros in two megabytes."""
    replace_first_frame(path, zeros_compressed(zlib.MAX_WBITS | 16, 2**31))


@attack("cannot be expanded .zstd", ".zarr", compression="zstd")
def a_bomb_of_zstd(path):
    """A frame of zstd that claims a terabyte, and blocks that repeat one byte."""
    header = b"\x28\xb5\x2f\xfd" + b"\xe0" + (2**40).to_bytes(8, "little")
    block = ((1 << 1) | (2**17 << 3)).to_bytes(3, "little") + b"\0"  # one byte, 128 KiB times
    last = ((1 << 1) | (2**17 << 3) | 1).to_bytes(3, "little") + b"\0"
    replace_first_frame(path, header + block * 50_000 + last)


@attack("cannot be expanded .zstd", ".zarr", compression="zstd")
def a_bomb_of_zstd_without_its_size(path):
    """The same without a claim, which a decoder meets by making more and more room."""
    header = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x58"
    block = ((1 << 1) | (2**17 << 3)).to_bytes(3, "little") + b"\0"
    last = ((1 << 1) | (2**17 << 3) | 1).to_bytes(3, "little") + b"\0"
    replace_first_frame(path, header + block * 50_000 + last)


@attack(
    "cannot be expanded",
    ".zarr",
    compression="gzip",
    stored=[b"", b"\x1f\x8b", zlib.compress(bytes(96)), bytes(96)],
)
def frames_that_are_not_compressed(path, stored):
    """Nothing, or another compressor's bytes."""
    replace_first_frame(path, stored)
