"""Attacks on readers of Zarr through its metadata, shards, compressors and files."""

import json
import os
import pickle
import shutil
import zlib
from pathlib import Path

import google_crc32c
import numpy as np
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from tests.attacks.recipes.registry import Shell, attack, zeros_compressed

PETA = 2**50
# zstd: headers with and without a size, and blocks that repeat one byte 128 KiB times.
ZSTD_TERABYTE = b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little")
ZSTD_UNSIZED = b"\x28\xb5\x2f\xfd\x00\x58"
ZSTD_BLOCK = ((1 << 1) | (2**17 << 3)).to_bytes(3, "little") + b"\0"
ZSTD_LAST = ((1 << 1) | (2**17 << 3) | 1).to_bytes(3, "little") + b"\0"


def edit_json(file: Path, change) -> None:
    """Changes a zarr.json, and removes the consolidated metadata, which would have to agree."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    root = next(folder for folder in file.parents if folder.suffix == ".zarr") / "zarr.json"
    if root != file:
        repeated = json.loads(root.read_text())
        repeated.pop("consolidated_metadata", None)
        root.write_text(json.dumps(repeated))


@attack(
    "zarr.json and .*/zarr.json describe the array .* differently",
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
    """Consolidated metadata that contradict an array's own metadata."""
    edit_json(path / "zarr.json", lambda root: change(root["consolidated_metadata"]["metadata"][name]))


def claim(path: Path, name: str, rows: int) -> None:
    def change(metadata):
        metadata["shape"][0] = rows
        metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = rows

    edit_json(path / name / "zarr.json", change)


@attack("1,?125,?899,?906,?842,?624", ".zarr", name=["key_frames", "positions", "labels", "checksums"])
def a_petabyte(path, name):
    """A few bytes that claim to be a petabyte."""
    claim(path, name, PETA)


@attack("needs 2,251,799,813,685,248 bytes, but the file has 24", ".zarr")
def a_petabyte_everywhere(path):
    """The same attack with consistent claims in all arrays."""
    for name in ("key_frames", "positions", "inserted_at", "checksums"):
        claim(path, name, PETA)


@attack("labels", ".zarr")
def sizes_whose_product_is_zero(path):
    """2**62 values of 4 bytes, whose size is 0 modulo 2**64."""
    claim(path, "labels", 2**62)


@attack(
    "whole numbers|describe a Zarr v3 array|data_type",
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
    """Negative, huge or mistyped shapes."""
    edit_json(path / "labels" / "zarr.json", lambda metadata: metadata.update(change))


@attack(
    "whole numbers|at least one clip|frames of",
    ".zarr",
    shape=[[12, 2, 4, -3], [12, 2**61, 2**61, 2**61], [0, 2, 4, 3]],
)
def frames_that_are_none(path, shape):
    """The same attack on the array of frames."""

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
    """A huge number of shards with one frame each, for a loop over missing files."""
    for name in ("positions", "inserted_at", "checksums"):
        claim(path, name, 2**40)
    edit_json(
        path / "key_frames" / "zarr.json",
        lambda metadata: (
            metadata["shape"].__setitem__(0, 2**40),
            metadata["chunk_grid"]["configuration"]["chunk_shape"].__setitem__(0, 1),
        ),
    )


SHARD = "key_frames/c.0.0.0.0"
INDEX_BYTES = 12 * 16 + 4


def rewrite_index(file: Path, change, more: bytes = b"") -> None:
    """Appends bytes to the frames of a shard, and changes its index, with a valid checksum."""
    data = file.read_bytes()
    index = np.frombuffer(data[-INDEX_BYTES:-4], dtype="<u8").reshape(12, 2).copy()
    change(index)
    crc = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    file.write_bytes(data[:-INDEX_BYTES] + more + index.tobytes() + crc)


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
        "bytes at offset 9,223,372,036,854,775,808",
        "claims",
        "claims",
        "has 96 bytes, but the index states 95",
        "beginning with frame 5",
    ],
)
def crossing_offsets_in_a_shard(path, frame, start, size):
    """Frames that overlap, are outside the file, or overflow, with a valid index checksum."""
    rewrite_index(path / SHARD, lambda index: index.__setitem__(frame, (start, size)))


@attack("checksum", ".zarr")
def two_frames_exchanged_in_the_index(path):
    """An index that shows another picture."""
    rewrite_index(path / SHARD, lambda index: index.__setitem__([0, 1], index[[1, 0]]))


@attack("index of the shard does not match", ".zarr")
def an_index_whose_checksum_is_wrong(path):
    """A changed index."""
    file = path / SHARD
    data = bytearray(file.read_bytes())
    data[-20] ^= 4
    file.write_bytes(data)


@attack("outside the store", ".zarr", relative=["labels/c.0", "key_frames/c.0.0.0.0", "labels", "zarr.json"])
def links_that_lead_out(path, relative):
    """A link that shows a file of the user as part of the store."""
    outside = path.parent / f"outside-{path.name}"
    shutil.move(path / relative, outside)
    (path / relative).symlink_to(outside)


@attack(
    "outside the store",
    ".zarr",
    target=["../../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/mem"],
)
def links_to_files_of_the_system(path, target):
    """A link to a secret, or to an endless file."""
    (path / "labels" / "c.0").unlink()
    (path / "labels" / "c.0").symlink_to(target)


@attack("unreadable|missing|outside the store|Too many levels", ".zarr")
def a_link_to_itself(path):
    """A path that cannot be resolved."""
    (path / "labels" / "c.0").unlink()
    (path / "labels" / "c.0").symlink_to("c.0")


@attack("regular file", ".zarr", name=["labels/c.0", "zarr.json", "key_frames/c.0.0.0.0"])
def a_pipe_in_place_of_a_file(path, name):
    """A pipe, for which a reader would wait forever."""
    (path / name).unlink()
    os.mkfifo(path / name)


@attack("regular file|Is a directory", ".zarr", name=["labels/c.0", "zarr.json", "key_frames/c.0.0.0.0"])
def a_folder_in_place_of_a_file(path, name):
    """A folder, which raises an unexpected system error."""
    (path / name).unlink()
    (path / name).mkdir()


@attack("at most 268,435,456 are allowed", ".zarr")
def a_header_of_terabytes(path):
    """A sparse file, which takes no disk space but all memory."""
    with (path / "zarr.json").open("r+b") as file:
        file.truncate(2**42)


@attack("has 4,398,046,511,104|more than|must|longer", ".zarr")
def an_array_of_terabytes(path):
    """The same attack on a small array."""
    with (path / "labels" / "c.0").open("r+b") as file:
        file.truncate(2**42)


@attack(
    "codecs must be",
    ".zarr",
    codec=["numcodecs.pickle", "pickle", "numcodecs.blosc", "numcodecs.json2", "x" * 10_000],
)
def codecs_that_run_code(path, codec):
    """A codec of an installed package, which is found by name and run with settings from the store."""
    edit_json(
        path / "key_frames" / "zarr.json",
        lambda metadata: metadata["codecs"][0]["configuration"]["codecs"].append(
            {"name": codec, "configuration": {"module": "os", "name": "system"}}
        ),
    )


@attack(
    "not a store|not valid JSON|damaged|bytes", ".zarr", name=["zarr.json", "labels/c.0", "labels/zarr.json"]
)
def pickled_code(path, name):
    """A pickle in place of data, which runs code when it is loaded."""
    (path / name).write_bytes(pickle.dumps(Shell()))


def replace_first_frame(path: Path, stored: bytes) -> None:
    """Replaces the compressed bytes of frame 0 in a compressed Zarr store, with a valid index."""
    file = path / SHARD
    end = file.stat().st_size - INDEX_BYTES
    rewrite_index(file, lambda index: index.__setitem__(0, (end, len(stored))), stored)


@attack("gzip: the chunk decompresses to more than 96 bytes", ".zarr", compression="gzip")
def a_bomb_of_gzip(path):
    """Two gigabytes of zeros, compressed to two megabytes."""
    replace_first_frame(path, zeros_compressed(zlib.MAX_WBITS | 16, 2**31))


@attack("cannot be read .zstd: .*(too small|invalid input)", ".zarr", compression="zstd")
def a_bomb_of_zstd(path):
    """A zstd frame that claims a terabyte, with blocks that repeat one byte."""
    replace_first_frame(path, ZSTD_TERABYTE + ZSTD_BLOCK * 50_000 + ZSTD_LAST)


@attack("cannot be read .zstd: .*(too small|invalid input)", ".zarr", compression="zstd")
def a_bomb_of_zstd_without_its_size(path):
    """The same attack without a size, for which a decoder allocates more and more memory."""
    replace_first_frame(path, ZSTD_UNSIZED + ZSTD_BLOCK * 50_000 + ZSTD_LAST)


@attack(
    "cannot be read .gzip|does not match its checksum",
    ".zarr",
    compression="gzip",
    stored=[b"", b"\x1f\x8b", zlib.compress(bytes(96)), bytes(96)],
)
def frames_that_are_not_compressed(path, stored):
    """No bytes, or the bytes of another compressor."""
    replace_first_frame(path, stored)


def lay_out(path: Path, name: str, **options) -> Path:
    """Stores an array with zarr-python in another layout, and returns the file of its first chunk."""
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    values = group[name][...]
    options = {"compressors": None, "chunks": values.shape} | options
    options |= {"overwrite": True, "config": {"write_empty_chunks": True}}
    group.create_array(name, shape=values.shape, dtype=values.dtype, **options)[...] = values
    edit_json(path / name / "zarr.json", lambda metadata: None)
    return path / name / "/".join(["c"] + ["0"] * values.ndim)


def blosc_header(expanded: int, compressed: int, block: int = 2**20) -> bytes:
    """Returns a blosc header (lz4) with sizes that the decoder trusts."""
    sizes = (expanded, block, compressed)
    return b"\x02\x01\x21\x01" + b"".join(size.to_bytes(4, "little") for size in sizes)


@attack(
    "",
    ".zarr",
    codec=["zstd", "zstd", "gzip", "blosc", "blosc", "blosc", "blosc"],
    stored=[
        ZSTD_TERABYTE + ZSTD_BLOCK * 5000 + ZSTD_LAST,
        ZSTD_UNSIZED + ZSTD_BLOCK * 5000 + ZSTD_LAST,
        zeros_compressed(zlib.MAX_WBITS | 16, 2**31),
        blosc_header(2**31 - 1, 40) + bytes(24),
        blosc_header(16, 2**31 - 1) + bytes(24),
        blosc_header(16, 40, 2**31 - 1) + bytes(24),
        b"\x02\x01",
    ],
    words=[
        "zstd: destination buffer too small",
        "zstd: .*too small|zstd: .*invalid input",  # the second is from numcodecs 0.14
        "gzip: the chunk decompresses to more than 16 bytes",
        "blosc: the chunk decompresses to more than 16 bytes",
        "blosc: the header states 2,147,483,647 compressed bytes, but the chunk has 40",
        "cannot be read .blosc|digest",
        "blosc: the header must have 16 bytes",
    ],
)
def bombs_in_small_arrays(path, codec, stored):
    """A chunk of 16 bytes that decompresses to gigabytes when the store is opened."""
    compressor = {"zstd": ZstdCodec(), "gzip": GzipCodec(), "blosc": BloscCodec()}[codec]
    lay_out(path, "labels", compressors=compressor).write_bytes(stored)


@attack(
    "blosc: the chunk decompresses to more than 192|the header states", ".zarr", expanded=[2**31 - 1, 192]
)
def a_bomb_of_blosc(path, expanded):
    """The same attack in a chunk of frames."""
    file = lay_out(path, "key_frames", chunks=(2, 2, 4, 3), compressors=BloscCodec())
    file.write_bytes(blosc_header(expanded, 40 if expanded > 192 else 41) + bytes(24))


def change_layout(path: Path, name: str, **changes) -> None:
    """Stores an array in one plain chunk with zarr-python, and changes its metadata."""
    lay_out(path, name)
    edit_json(path / name / "zarr.json", lambda metadata: metadata.update(changes))


def regular(*chunks):
    return {"name": "regular", "configuration": {"chunk_shape": list(chunks)}}


@attack("takes 137,438,953,472 bytes", ".zarr")
def small_arrays_of_gigabytes(path):
    """Missing chunks, which are read as the fill value, so that a few bytes claim all memory."""
    change_layout(path, "labels", shape=[2**35], chunk_grid=regular(2**20))


@attack("has 4,194,304 chunks", ".zarr")
def chunks_of_one_value(path):
    """Millions of missing chunks, for a loop over them."""
    change_layout(path, "labels", shape=[2**22], chunk_grid=regular(1))


@attack(
    "bytes each|do not fit|must be a list|must be regular",
    ".zarr",
    grid=[
        regular(2**26),
        regular(0),
        regular(-1),
        regular(4, 1),
        regular(1.5),
        {"name": "rectangular", "configuration": {"chunk_shape": [4]}},
        "regular",
        None,
    ],
)
def chunk_grids_that_are_none(path, grid):
    """Chunks of gigabytes, empty chunks, or chunks with a wrong number of dimensions."""
    change_layout(path, "labels", chunk_grid=grid)


@attack("bytes each", ".zarr", shape=[[2**25, 2, 4, 3], [12, 2, 4, 3]])
def a_chunk_of_gigabytes(path, shape):
    """A chunk that takes all memory, inside the array or far beyond its end."""
    change_layout(path, "key_frames", shape=shape, chunk_grid=regular(2**23, 2, 4, 3))


def sharding(**changes):
    settings = {
        "chunk_shape": [1],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {"name": "sharding_indexed", "configuration": settings | changes}


@attack(
    "codecs must be|index must|must consist of|cannot be used|list of codecs|do not fit|whole numbers",
    ".zarr",
    codecs=[
        [sharding(codecs=[sharding()])],
        [sharding(), {"name": "zstd", "configuration": {"level": 0, "checksum": False}}],
        [sharding(index_codecs=[{"name": "bytes"}, {"name": "zstd"}])],
        [sharding(index_codecs=[{"name": "gzip"}])],
        [sharding(chunk_shape=[0])],
        [sharding(chunk_shape=[2**63])],
        [sharding(chunk_shape=[1, 1])],
        [sharding(index_location="nowhere")],
        [{"name": "bytes", "configuration": {"endian": "middle"}}],
        [{"name": "bytes", "configuration": {"endian": "little"}}] + [{"name": "zstd"}] * 2,
        [{"name": "bytes", "configuration": {"endian": "little"}}] + ["crc32c"] * 100_000,
        [{"name": "transpose", "configuration": {"order": [1, 0, 2]}}, "bytes"],
        [{"name": "transpose", "configuration": {"order": [2**70]}}, "bytes"],
        [
            {"name": "transpose", "configuration": {}},
            {"name": "bytes", "configuration": {"endian": "little"}},
        ],
        [{"name": "zstd"}, "bytes"],
        ["bytes", "bytes"],
        ["vlen-bytes"],
        ["vlen-utf8", "zstd"],
        [],
        [None],
        {"0": "bytes"},
        None,
    ],
)
def codecs_in_wrong_places(path, codecs):
    """Codecs in an unexpected order or number, which zarr-python would run."""
    change_layout(path, "labels", codecs=codecs)


@attack("at most 1,048,576 chunks", ".zarr")
def an_index_of_gigabytes(path):
    """A shard whose index takes all memory."""
    change_layout(path, "labels", chunk_grid=regular(2**40), codecs=[sharding()])


@attack(
    "storage transformers|cannot be used",
    ".zarr",
    changes=[
        {"storage_transformers": [{"name": "x"}]},
        {"fill_value": "x" * 10_000},
        {"fill_value": None},
        {"must": {"name": "x"}},
        {"dimension_names": ["a", "b"]},
        {"chunk_key_encoding": {"name": "../.."}},
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "../"}}},
    ],
)
def metadata_that_means_something_else(path, changes):
    """Metadata that a reader must not ignore, and chunk keys that lead out of the store."""
    change_layout(path, "labels", **changes)


@attack(
    "claims bytes|cannot be read|overflow", ".zarr", start=[2**40, 2**64 - 8, 2**63], size=[96, 16, 2**63]
)
def an_index_that_leads_out_of_its_shard(path, start, size):
    """Chunks that are outside the file, or whose end overflows."""
    file = lay_out(path, "key_frames", chunks=(1, 2, 4, 3), shards=(12, 2, 4, 3))
    rewrite_index(file, lambda index: index.__setitem__(1, (start, size)))


@attack("outside the store|regular file|missing", ".zarr", kind=["link", "pipe", "folder"])
def chunks_that_are_no_files(path, kind):
    """A link to a file of the user, a pipe, or a folder in place of a chunk."""
    file = lay_out(path, "labels")
    file.unlink()
    if kind == "link":
        file.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.mkdir()


@attack("digest|checksum|position", ".zarr", name=["labels", "positions", "key_frames", "checksums"])
def arrays_that_are_never_written(path, name):
    """A missing chunk, which is read as fill values."""
    lay_out(path, name).unlink()
