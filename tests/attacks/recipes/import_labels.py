"""Attacks on the labels of `dfs import`: numbers, arrays and lists that no dataset has."""

import io
import json
import math
import zipfile

import numpy as np

from tests.attacks.recipes.import_files import MIB, archive, attack, number, tensor, text, write_npz
from tests.attacks.recipes.registry import HARMLESS

CLIPS = np.zeros((2, 2, 1, 2, 2), np.float32)


@attack(
    "must be numbers from 0|must contain whole numbers|no labels",
    ".npz",
    labels=[
        np.array([0, 2**62]),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([0, -(2**63)]),
        np.array([0, 10**6 + 1]),
        np.array([0, 1e300]),
        np.array([0, 0.5]),
        np.array([0, np.inf]),
        np.array([0, np.nan], np.float16),
        np.array([0, 1j]),
        np.array(["0", "9" * 30]),
        np.zeros((2, 1, 1), np.int64),
    ],
)
def labels_of_no_class(path, labels):
    """Numbers that are no class, or more than any dataset has."""
    np.savez(path, clips=CLIPS, labels=labels)


@attack(
    HARMLESS, ".npz", labels=[np.array([0.0, 1.0]), np.array([False, True]), np.eye(2), np.array([0, 999])]
)
def sound_labels(path, labels):
    """What must be let through."""
    np.savez(path, clips=CLIPS, labels=labels)


@attack("at most [\\d,]+ classes", ".npz", dtype=["|u1", "<f2"])
def one_hot_labels_of_a_hundred_million_classes(path, dtype):
    """Each class would get a name: gigabytes from 100 kB."""
    size = np.dtype(dtype).itemsize
    write_npz(path, dtype, (2, 50 * MIB), 2 * size * 50 * MIB, first=np.ones(1, dtype).tobytes())


@attack("at most [\\d,]+ clips", ".npz")
def thirty_million_clips(path):
    """Clips of six bytes, and a list of their labels."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, shape in (("clips", (30 * MIB, 1, 3, 1, 2)), ("labels", (30 * MIB,))):
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                head, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            with file.open(f"{name}.npy", "w") as member:
                member.write(head.getvalue())
                for _ in range(math.prod(shape) // MIB):
                    member.write(bytes(MIB))


@attack(
    "cannot be read as .npy|does not match|memory at once|shape|labels",
    ".npz",
    suffix_of=[".npy", ".npz", ".safetensors"],
)
def a_label_file_that_declares_gigabytes(path, suffix_of):
    """`--labels`: a few bytes that claim, or expand to, gigabytes."""
    np.savez(path, clips=CLIPS)
    labels = path.with_name(f"labels{suffix_of}")
    if suffix_of == ".npz":
        write_npz(labels, "<i8", (150 * MIB,), 1200 * MIB, alone=True)
        return
    if suffix_of == ".npy":
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "<i8", "fortran_order": False, "shape": (2**40,)}
        )
        labels.write_bytes(head.getvalue() + bytes(16))
        return
    header = json.dumps({"labels": {"dtype": "I64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    labels.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))


@attack(
    "labels",
    ".npz",
    content=[
        "[" * 100_000 + "]" * 100_000,
        "[[0, 1]]",
        "[0, 1e999]",
        "[0, " + "9" * 5000 + "]",
        f"[0, {2**62}]",
        "[0, 4611686018427387904.0]",
        '[0, {"a": 1}]',
        "[0" + ", 0" * 2_000_000 + "]",
    ],
)
def a_list_of_labels_that_is_none(path, content):
    """`--labels` of JSON: deep, endless, nested, or longer than the clips."""
    np.savez(path, clips=CLIPS)
    path.with_name("labels.json").write_text(content)


@attack("no labels|must be numbers from 0|nested", ".pt", case=range(4))
def labels_in_nested_lists(path, case):
    """Lists of lists of labels, of numbers without end, and around themselves."""
    clips = tensor((2, 2, 1, 2, 2), (8, 4, 4, 2, 1), count=16)
    labels = [
        b"]" * 7 + b"K\x01a" + b"a" * 6,
        b"](K\x00\x8a\x40" + b"\xff" * 63 + b"\x7fe",
        b"](" + number(0) + number(2**62) + b"e",
        b"]q\x05h\x05a",
    ][case]
    archive(path, b"\x80\x02}(" + text("clips") + clips + text("labels") + labels + b"u.", {"0": bytes(64)})


@attack("memory at once|does not match its header|damaged", ".npz", case=range(3))
def a_deflated_member_that_lies(path, case):
    """Its directory claims another size, its clips expand, or its bytes are not those of its checksum."""
    if case == 1:
        write_npz(path, "<f4", (1, 100, 3, 1000, 1000), 1200 * 10**6, "clips")
        return
    clips = np.random.default_rng(0).integers(0, 9, (2, 5, 3, 50, 50), np.uint8)
    np.savez_compressed(path, clips=clips, labels=np.arange(2))
    data = bytearray(path.read_bytes())
    if case == 0:
        size = (clips.nbytes + 128).to_bytes(4, "little")
        assert data.count(size)
        data = data.replace(size, (2**31).to_bytes(4, "little"))
    else:
        data[data.index(b"labels.npy") // 2] ^= 0x10
    path.write_bytes(data)
