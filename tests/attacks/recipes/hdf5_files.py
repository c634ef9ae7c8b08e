"""Attacks on readers of HDF5 through its links, types, filters and structures."""

import os
import pickle
import shutil
import zlib
from pathlib import Path

import h5py
import numpy as np

from tests.attacks.recipes.registry import Shell, attack, zeros_compressed

PETA = 2**50


def replace_dataset(path: Path, name: str, make) -> None:
    """Replaces a dataset with another object."""
    with h5py.File(path, "r+") as file:
        old = file[name][...]
        del file[name]
        make(file, old)


@attack("must be in this file|other files", ".h5", name=["labels", "key_frames", "checksums"])
def external_links(path, name):
    """A link that shows another file of the user as part of the store."""
    outside = path.parent / f"outside-{path.name}"
    shutil.copyfile(path, outside)
    replace_dataset(path, name, lambda file, old: file.__setitem__(name, h5py.ExternalLink(outside, name)))


@attack("must be in this file", ".h5", target=["/labels", "/nowhere", "/checksums"])
def soft_links(path, target):
    """A link to itself, to nothing, or to another array."""
    replace_dataset(path, "labels", lambda file, old: file.__setitem__("labels", h5py.SoftLink(target)))


@attack("other files", ".h5", name=["labels", "key_frames"])
def virtual_datasets(path, name):
    """A virtual dataset that shows values from another file."""
    outside = path.parent / f"outside-{path.name}"
    shutil.copyfile(path, outside)

    def make(file, old):
        layout = h5py.VirtualLayout(old.shape, old.dtype)
        layout[...] = h5py.VirtualSource(outside, name, old.shape)
        file.create_virtual_dataset(name, layout)

    replace_dataset(path, name, make)


@attack("other files", ".h5")
def external_storage(path):
    """External storage that shows any file of the user."""
    replace_dataset(
        path,
        "labels",
        lambda file, old: file.create_dataset(
            "labels", old.shape, old.dtype, external=[("/etc/passwd", 0, 16)]
        ),
    )


@attack("must be a dataset", ".h5")
def a_group_that_holds_itself(path):
    """A group that contains itself, for an endless walk over groups."""
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file["labels"] = file["/"]


@attack(
    "", ".h5", name=["key_frames", "positions", "checksums"] * 2, compression_of=[None] * 3 + ["gzip"] * 3
)
def claims_of_a_petabyte(path, name, compression_of):
    """A file of a few kilobytes whose arrays claim all memory."""
    with h5py.File(path, "r+") as file:
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        options = {"chunks": (1, *shape[1:]), "compression": compression_of} if compression_of else {}
        file.create_dataset(name, (PETA, *shape[1:]), dtype, **options)


@attack(
    "must be|allowed|little-endian",
    ".h5",
    kind=["object", "compound", "opaque", "big", "reference", "double"],
)
def types_that_are_not_numbers(path, kind):
    """Types that h5py converts to Python objects, including pickles."""

    def make(file, old):
        if kind == "object":
            file.create_dataset("labels", data=[b"x"] * 4, dtype=h5py.special_dtype(vlen=bytes))
        elif kind == "compound":
            file["labels"] = np.zeros(4, dtype=[("a", "<i4"), ("b", "<f8", (1000,))])
        elif kind == "opaque":
            file["labels"] = np.frombuffer(pickle.dumps(Shell()), dtype=f"V{len(pickle.dumps(Shell()))}")
        elif kind == "big":
            file["labels"] = old.astype(">i4")
        elif kind == "reference":
            file.create_dataset("labels", data=[file.ref] * 4, dtype=h5py.ref_dtype)
        else:
            file["labels"] = np.full(4, np.nan)

    replace_dataset(path, "labels", make)


@attack(
    "not a store|must be|not valid JSON",
    ".h5",
    value=[
        np.void(pickle.dumps(Shell())),
        np.arange(1000),
        np.array([b"a", b"b"], dtype=object),
        np.uint8(5),
        h5py.Empty("u1"),
        np.zeros((), dtype=[("a", "<i4")]),
        np.frombuffer("{}".encode("utf-16"), dtype=np.uint8),
    ],
)
def headers_that_are_no_text(path, value):
    """A pickle, arrays, or nothing in place of the header."""
    with h5py.File(path, "r+") as file:
        del file["dfs_store"]
        file["dfs_store"] = value


@attack("dfs_store takes 536,870,912 bytes", ".h5", options=[{}, {"chunks": (2**20,), "compression": 9}])
def headers_of_gigabytes(path, options):
    """A sparse or compressed header of gigabytes, which is read before anything is checked."""

    def make(file, old):
        file.create_dataset("dfs_store", (2**29,), "u1", **options)
        file["dfs_store"][-1:] = 32

    replace_dataset(path, "dfs_store", make)


def replace_frames(path: Path, **options) -> None:
    """Stores key_frames in chunks of one frame."""
    replace_dataset(
        path,
        "key_frames",
        lambda file, old: file.create_dataset("key_frames", data=old, chunks=(1, 2, 4, 3), **options),
    )


@attack("decompressed .deflate: the chunk decompresses to more than 96", ".h5", megabytes=[48, 2048])
def a_bomb_of_deflate(path, megabytes):
    """Zeros that take a thousandth of their size in the file."""
    replace_frames(path, compression=1)
    with h5py.File(path, "r+") as file:
        bomb = zeros_compressed(zlib.MAX_WBITS, megabytes * 2**20)
        file["key_frames"].id.write_direct_chunk((0, 0, 0, 0), bomb)


@attack("decompressed .lzf: the chunk decompresses to more than 96", ".h5")
def a_bomb_of_lzf(path):
    """Three stored bytes for every 264 decompressed ones."""
    replace_frames(path, compression="lzf")
    with h5py.File(path, "r+") as file:
        file["key_frames"].id.write_direct_chunk((0, 0, 0, 0), b"\0\0" + b"\xe0\xff\0" * 2**20)


@attack("decompress", ".h5", compression_of=["gzip", "lzf"] * 2 + [None], checked=[False] * 4 + [True])
def bombs_in_small_arrays(path, compression_of, checked):
    """The same attack in an array that is read when the store is opened."""

    def make(file, old):
        options = {"compression": compression_of, "fletcher32": checked, "chunks": old.shape}
        dataset = file.create_dataset("labels", data=old, **options)
        bomb = {
            "gzip": zeros_compressed(zlib.MAX_WBITS, 2**31),
            "lzf": b"\0\0" + b"\xe0\xff\0" * 2**20,
            None: bytes(2**20),
        }
        dataset.id.write_direct_chunk((0,), bomb[compression_of])

    replace_dataset(path, "labels", make)


@attack("decompressed|checksum", ".h5", stored=[b"\0", bytes(95), bytes(97)], skipped=[0, 1, 1])
def chunks_of_another_size(path, stored, skipped):
    """A frame that is shorter or longer than its shape after its filters."""
    replace_frames(path, compression=1)
    with h5py.File(path, "r+") as file:
        file["key_frames"].id.write_direct_chunk((0, 0, 0, 0), stored, filter_mask=skipped)


@attack("filters must be", ".h5", options=[{"scaleoffset": 2}, {"compression": 1, "scaleoffset": 2}])
def filters_of_libhdf5(path, options):
    """Filters whose settings libhdf5 trusts."""
    replace_frames(path, **options)


@attack(
    "filters must be",
    ".h5",
    number=[32001, 32004, 32015, 307, 65535],
    name=["key_frames", "labels"] * 2 + ["dfs_store"],
)
def filters_that_run_code(path, number, name):
    """A filter in a library that HDF5 finds by its number and loads."""

    def make(file, old):
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(old.shape)
        # Optional, because libhdf5 would refuse to write a missing filter otherwise.
        settings.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        kind, space = h5py.h5t.py_create(old.dtype), h5py.h5s.create_simple(old.shape)
        h5py.h5d.create(file.id, name.encode(), kind, space, settings)

    replace_dataset(path, name, make)


@attack("takes 137,438,953,472|takes 68,719,476,736", ".h5", name=["positions", "checksums"])
def small_arrays_of_gigabytes(path, name):
    """Chunks that were never written, so that a file of a few kilobytes claims all memory."""
    replace_dataset(
        path, name, lambda file, old: file.create_dataset(name, (2**35,), old.dtype, chunks=(2**20,))
    )


@attack("has 4,194,304 chunks", ".h5")
def chunks_of_one_value(path):
    """Millions of missing chunks, for a loop over them."""
    replace_dataset(
        path, "labels", lambda file, old: file.create_dataset("labels", (2**22,), old.dtype, chunks=(1,))
    )


@attack("bytes each", ".h5")
def a_chunk_of_gigabytes(path):
    """A chunk of frames that takes all memory."""
    replace_dataset(
        path,
        "key_frames",
        lambda file, old: file.create_dataset(
            "key_frames", (2**25, 2, 4, 3), old.dtype, chunks=(2**23, 2, 4, 3), compression=1
        ),
    )


@attack("digest|checksum|last position", ".h5", name=["labels", "positions", "key_frames", "checksums"])
def arrays_that_are_never_written(path, name):
    """Chunks that were never written, which are read as fill values."""
    replace_dataset(
        path, name, lambda file, old: file.create_dataset(name, old.shape, old.dtype, chunks=old.shape)
    )


@attack("truncated|cannot be read|damaged|at offset", ".h5", keep=[9, 48, 100, 2000, 3000, 5000])
def files_cut_short(path, keep):
    """An incomplete download."""
    os.truncate(path, keep)


@attack("", ".h5", size=[2**42])
def a_file_of_terabytes(path, size):
    """A sparse file, which is allowed, with an array beyond its end, which is not."""
    os.truncate(path, size)
    claims_of_a_petabyte(path, "checksums", None)


@attack(
    "does not begin with the HDF5 signature|must be a regular|not a store",
    ".h5",
    kind=["pipe", "pickle", "folder", "empty", "json"],
)
def no_hdf5_at_all(path, kind):
    """Something else with the name of a store."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"pickle": pickle.dumps(Shell()), "empty": b"", "json": b"{}"}[kind])
