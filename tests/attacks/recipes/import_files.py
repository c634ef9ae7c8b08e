"""Attacks on `dfs import`: files that would run code, or take memory or time out of all proportion."""

import functools
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.attacks.recipes.registry import HARMLESS, Shell

MIB = 2**20


@dataclass(frozen=True)
class ImportAttack:
    """One recipe: writes a file of a suffix; `led_to` as of `Attack`."""

    name: str
    suffix: str
    make: Callable[[Path], None]
    led_to: str


IMPORT_ATTACKS: list[ImportAttack] = []


def attack(led_to, suffix=".pt", **variants):
    """Registers a recipe, once per value of a variant."""

    def register(make):
        rows = [{key: value} for key, values in variants.items() for value in values] or [{}]
        for number, row in enumerate(rows):
            name = make.__name__ + (f"-{number}" if len(rows) > 1 else "")
            IMPORT_ATTACKS.append(ImportAttack(name, suffix, functools.partial(make, **row), led_to))
        return make

    return register


def archive(path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **options) -> None:
    """Writes what torch.save writes, with a pickle of one's own."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("c/data.pkl", pickled)
        for key, data in (storages or {}).items():
            file.writestr(f"c/data/{key}", data)


def storage(key="0", kind="FloatStorage", count=1) -> bytes:
    """Returns the opcodes that name a storage."""
    return (
        b"("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + text("cpu")
        + number(count)
        + b"tQ"
    )


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(shape, strides, **options) -> bytes:
    """Returns the opcodes of a tensor."""
    numbers = [b"(" + b"".join(map(number, each)) + b"t" for each in (shape, strides)]
    made = b"(" + storage(**options) + number(0) + b"".join(numbers) + b"\x89}t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + made + b"R"


@attack("would call posix.system", make_pickle=[0, 2, 4])
def code(path, make_pickle):
    """A shell command, as pickles of all ages call it."""
    archive(path, pickle.dumps({"clips": Shell()}, make_pickle))


@attack(
    "would call (builtins|torch|numpy)",
    target=["builtins eval", "builtins getattr", "torch.hub load", "numpy.testing._private.utils runstring"],
)
def a_function_of_a_library(path, target):
    """What an allowlist by module would let through."""
    archive(path, b"\x80\x02c" + target.replace(" ", "\n").encode() + b"\n" + text("1") + b"\x85R.")


@attack("no array of clips", opcodes=[b"\x81", b"\x81}b", b"\x81(K\x01K\x02e"])
def an_object_of_any_class(path, opcodes):
    """Its class's own ways to be made: they are not used."""
    archive(path, b"\x80\x02csubprocess\nPopen\n)" + opcodes + b".")


@attack(
    "needs .* bytes.*contiguous|more bytes than are stored", strides=[(0, 0, 0, 0, 0), (10**9, 1, 1, 1, 1)]
)
def a_tensor_larger_than_its_storage(path, strides):
    """One number expanded to terabytes."""
    archive(path, b"\x80\x02" + tensor((10**6, 16, 3, 112, 112), strides) + b".", {"0": bytes(4)})


@attack("invalid shape|needs", shape=[(-1, 2, 3, 4, 5), (2**62, 2**62, 3, 4, 5)])
def a_tensor_of_no_shape(path, shape):
    """Sizes that wrap around."""
    archive(path, b"\x80\x02" + tensor(shape, (1,) * 5) + b".", {"0": bytes(4)})


@attack("compressed")
def a_compressed_archive(path):
    """Three megabytes that expand to three gigabytes; torch.save never compresses."""
    shape = (2, 16, 3, 2048, 2048)
    pickled = b"\x80\x02" + tensor(shape, (1,) * 5) + b"."
    archive(path, pickled, {"0": bytes(600 * MIB)}, compression=zipfile.ZIP_DEFLATED)


@attack("too many objects to search for clips, or objects that are nested")
def lists_in_lists(path):
    """Four kilobytes whose lists are shared: met one by one, more than there are atoms."""
    inner = b"]q\x00(" + b"}" * 50 + b"e"
    for level in range(1, 7):
        inner = (
            b"]q"
            + bytes([level])
            + b"("
            + inner
            + b"h"
            + bytes([level - 1])
            + (b"h" + bytes([level - 1])) * 99
            + b"e"
        )
    archive(path, b"\x80\x02" + inner + b".")


@attack("nested too deep|lists, tuples and dictionaries", count=[10**4, 10**6])
def a_deep_list(path, count):
    """A recursion without end."""
    archive(path, b"\x80\x02" + b"]" * count + b"a" * (count - 1) + b".")


@attack("nested too deep")
def a_list_that_contains_itself(path):
    """The same, without an end at all."""
    archive(path, b"\x80\x02]q\x00h\x00a.")


@attack("more than|instructions", opcode=[b"]", b"}", b"(", b"\x8f", b"N", b")"])
def millions_of_small_things(path, opcode):
    """Three megabytes of lists take fifty times as much."""
    archive(path, b"\x80\x04" + opcode * (3 * MIB) + b".")


@attack("at most 1,000 characters|more than 200 characters|no array", as_keys=[False, True])
def huge_names(path, as_keys):
    """A name of three megabytes as the class of every clip."""
    name = text("x" * 3 * MIB) + b"q\x01"
    clips = tensor((1000, 2, 1, 1, 2), (2, 1, 1, 1, 0), count=4000)
    if as_keys:
        content = b"}(" + name + clips + b"u"
    else:
        content = b"}(" + text("clips") + clips + text("labels") + b"](" + name + b"h\x01" * 999 + b"eu"
    archive(path, b"\x80\x02" + content + b".", {"0": bytes(16_000)})


@attack("repeated contents exceed")
def the_same_bytes_again_and_again(path):
    """Bytes are made of text: each call makes three megabytes more."""
    call = b"h\x01h\x02h\x03\x86R"
    names = b"c_codecs\nencode\nq\x01" + text("x" * 3 * MIB) + b"q\x02" + text("latin1") + b"q\x03000"
    archive(path, b"\x80\x02" + names + b"](" + call * 1000 + b"e.")


@attack("repeated contents exceed")
def an_object_that_doubles(path):
    """A state that is the object itself."""
    thing = b"cm\nA\n)\x81q\x00}(" + b"K\x01K\x02" * 50 + b"ub"
    archive(path, b"\x80\x02" + thing + b"h\x00b" * 64 + b".")


@attack("no array of clips", place=[2**31 - 1, 2**32 - 1])
def a_place_of_memory_far_away(path, place):
    """Python's own unpickler makes a table as long as the number."""
    archive(path, b"\x80\x02Nr" + struct.pack("<I", place) + b".")


@attack("is damaged", opcode=[b"X", b"B", b"\x8b"])
def a_length_without_bytes(path, opcode):
    """Gigabytes are claimed, and none are there."""
    archive(path, b"\x80\x03" + opcode + struct.pack("<I", 2**31 - 2) + b".")


@attack("no array of clips|damaged")
def keys_that_collide(path):
    """Numbers that Python puts into one place of a dictionary: quadratic time."""
    keys = b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"K\x00" for k in range(100_000))
    archive(path, b"\x80\x02}(" + keys + b"u.")


@attack("class names|memory at once|labels|classes", ".npz")
def text_that_expands(path):
    """Labels of gigabytes in a few megabytes of a compressed file."""
    write_npz(path, "<U150000000", (2,), 1200 * MIB)


@attack("damaged|cannot be read|large|EOF|does not match its header", ".npz")
def a_header_that_expands(path):
    """An array's own header of a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        head = b"\x93NUMPY\x02\x00" + struct.pack("<I", 1200 * MIB)
        file.writestr("clips.npy", head + b" " * (1200 * MIB))


@attack("memory at once|may take", ".npz")
def a_clip_that_expands(path):
    """One clip of a gigabyte of zeros."""
    write_npz(path, "|u1", (1, 100, 3, 2000, 2000), 1200 * 10**6, "clips")


def write_npz(path, dtype, shape, size, name="labels", *, first=b"", alone=False):
    """Writes an array that is zero but for its first bytes, and clips or labels with it unless alone."""
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    clips = io.BytesIO()
    np.save(clips, np.zeros((2, 2, 1, 2, 2), np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open(f"{name}.npy", "w", force_zip64=True) as member:
            member.write(head + first)
            size -= len(first)
            for _ in range(size // MIB):
                member.write(bytes(MIB))
            member.write(bytes(size % MIB))
        if alone:
            return
        if name != "clips":
            file.writestr("clips.npy", clips.getvalue())
        else:
            labels = io.BytesIO()
            np.save(labels, np.zeros(1, np.int64))
            file.writestr("labels.npy", labels.getvalue())


@attack("the header claims|damaged|does not match its shape", ".safetensors", case=range(4))
def a_false_header(path, case):
    """Lengths and places beyond the file."""
    about = {"dtype": "F32", "shape": [2, 2, 1, 1, 1], "data_offsets": [0, 16]}
    about |= [{}, {"data_offsets": [0, 2**60]}, {"shape": [2**60, 1, 1, 1, 1]}, {"data_offsets": [-16, 0]}][
        case
    ]
    header = json.dumps({"clips": about}).encode()
    length = 2**62 if case == 0 else len(header)
    path.write_bytes(struct.pack("<Q", length) + header + bytes(16))


@attack(HARMLESS, case=range(2))
def sound_files(path, case):
    """What the limits must let through: twenty thousand clips with labels, and a large NumPy array."""
    import torch

    if case == 0:
        clips = torch.zeros(20_000, 2, 1, 2, 2)
        torch.save([(clip.clone(), number % 50) for number, clip in enumerate(clips)], path)
    else:
        torch.save({"x": np.zeros((40, 8, 3, 64, 64), np.float32), "y": np.arange(40)}, path)
