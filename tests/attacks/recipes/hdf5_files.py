"""Attacks on readers of HDF5: its links, types, filters and structures."""

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
    """Puts another object in place of a dataset."""
    with h5py.File(path, "r+") as file:
        old = file[name][...]
        del file[name]
        make(file, old)


@attack("must lie in this file|other files", ".h5", name=["labels", "key_frames", "checksums"])
def external_links(path, name):
    """Another file of the reader's, shown as if it were the store's."""
    outside = path.parent / f"outside-{path.name}"
    shutil.copyfile(path, outside)
    replace_dataset(path, name, lambda file, old: file.__setitem__(name, h5py.ExternalLink(outside, name)))


@attack("must lie in this file", ".h5", target=["/labels", "/nowhere", "/checksums"])
def soft_links(path, target):
    """A link to itself, to nothing, or to another array."""
    replace_dataset(path, "labels", lambda file, old: file.__setitem__("labels", h5py.SoftLink(target)))


@attack("other files", ".h5", name=["labels", "key_frames"])
def virtual_datasets(path, name):
    """Values of another file, through a virtual dataset."""
    outside = path.parent / f"outside-{path.name}"
    shutil.copyfile(path, outside)

    def make(file, old):
        layout = h5py.VirtualLayout(old.shape, old.dtype)
        layout[...] = h5py.VirtualSource(outside, name, old.shape)
        file.create_virtual_dataset(name, layout)

    replace_dataset(path, name, make)


@attack("other files", ".h5")
def external_storage(path):
    """Values of any file of the reader's, by its name and size."""
    replace_dataset(
        path,
        "labels",
        lambda file, old: file.create_dataset(
            "labels", old.shape, old.dtype, external=[("/etc/passwd", 0, 16)]
        ),
    )


@attack("must be a dataset", ".h5")
def a_group_that_holds_itself(path):
    """A walk over groups without an end."""
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file["labels"] = file["/"]


@attack(
    "", ".h5", name=["key_frames", "positions", "checksums"] * 2, compression_of=[None] * 3 + ["gzip"] * 3
)
def claims_of_a_petabyte(path, name, compression_of):
    """A file of some kilobytes whose arrays claim all memory."""
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
    """Types that h5py turns into Python objects, pickles among them."""

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
    "must be one text|must be text|no JSON|cannot be read",
    ".h5",
    value=[
        np.void(pickle.dumps(Shell())),
        np.arange(1000),
        np.array([b"a", b"b"], dtype=object),
        5.0,
        h5py.Empty("S10"),
        np.zeros((), dtype=[("a", "<i4")]),
    ],
)
def attributes_that_are_no_text(path, value):
    """A pickle, arrays, or nothing in place of the header."""
    with h5py.File(path, "r+") as file:
        del file.attrs["dfs_store"]
        file.attrs["dfs_store"] = value


@attack("expanded .zlib: expands to more than the 96 bytes", ".h5", compression="gzip")
def a_bomb_of_deflate(path):
    """Zeros, a thousand times as many as are stored; HDF5 caps the chunk of a small frame at 64 KiB."""
    with h5py.File(path, "r+") as file:
        bomb = zeros_compressed(zlib.MAX_WBITS, 48 * 2**20)
        file["key_frames"].id.write_direct_chunk((0, 0, 0, 0), bomb)


@attack(
    "must have 96|expanded",
    ".h5",
    compression="gzip",
    stored=[b"\0", bytes(95), bytes(97)],
    skipped=[0, 1, 1],
)
def chunks_of_another_size(path, stored, skipped):
    """A frame that is shorter or longer than its shape says, past its filter."""
    with h5py.File(path, "r+") as file:
        file["key_frames"].id.write_direct_chunk((0, 0, 0, 0), stored, filter_mask=skipped)


@attack(
    "deflate .gzip., after shuffle",
    ".h5",
    options=[
        {"compression": "lzf"},
        {"compression": 1, "fletcher32": True},
        {"scaleoffset": 2},
        {"compression": 1, "scaleoffset": 2},
    ],
)
def filters_that_run_code(path, options):
    """A filter of a library that HDF5 finds by its number and loads."""
    replace_dataset(
        path,
        "key_frames",
        lambda file, old: file.create_dataset("key_frames", data=old, chunks=(1, 2, 4, 3), **options),
    )


@attack(
    "",
    ".h5",
    offset=[24, 24, 24, 8],
    number=[822, 2**64 - 16, 2**40, 2**40],
    words=["object of 0 bytes", "object of 18446744073709551600", "object of 1099511627776", "is damaged"],
)
def heaps_that_lead_nowhere(path, offset, number):
    """Sizes that make libhdf5 read the same object of a heap for ever; 822 is one flipped bit of 310."""
    data = bytearray(path.read_bytes())
    start = data.index(b"GCOL")
    data[start + offset : start + offset + 8] = number.to_bytes(8, "little")
    path.write_bytes(data)


@attack("truncated|cannot be read|damaged|needs bytes", ".h5", keep=[9, 48, 100, 2000, 5000, 9000])
def files_cut_short(path, keep):
    """The rest of a download."""
    os.truncate(path, keep)


@attack("", ".h5", size=[2**42])
def a_file_of_terabytes(path, size):
    """A sparse file, which takes no disk: legal, but an array behind its end is not."""
    os.truncate(path, size)
    claims_of_a_petabyte(path, "checksums", None)


@attack(
    "does not start as an HDF5 file|must be a regular|no store",
    ".h5",
    kind=["pipe", "pickle", "folder", "empty", "json"],
)
def no_hdf5_at_all(path, kind):
    """Something else under the name of a store."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"pickle": pickle.dumps(Shell()), "empty": b"", "json": b"{}"}[kind])
