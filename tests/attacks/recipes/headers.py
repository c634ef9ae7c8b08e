"""Attacks through the header, the same in both containers."""

from pathlib import Path

import h5py

from tests.attacks.recipes.registry import attack
from tests.format.making import edit_attributes, write_header

PETA = 2**50


def raw_attribute(path: Path, text: str | bytes) -> None:
    """Replaces the header with any text."""
    if path.suffix == ".zarr":
        data = text.encode() if isinstance(text, str) else text
        start = b'{"zarr_format": 3, "node_type": "group", "attributes": {"dfs_store": '
        (path / "zarr.json").write_bytes(start + data + b"}}")
    else:
        with h5py.File(path, "r+") as file:
            write_header(file, text.encode() if isinstance(text, str) else text)


@attack("a frame must have at most", ".zarr", ".h5", shape=[[1, 2**25, 2**25], [2**40, 2**40, 2**40]])
def frame_of_a_petabyte(path, shape):
    """A frame that takes all memory."""
    edit_attributes(path, lambda attributes: attributes.update(frame_shape=shape), redigest=True)


@attack(
    "frame_shape must be|num_frames must be|fps must be|normalization|interpolation|provenance"
    "|at most 40 are allowed",
    ".zarr",
    ".h5",
    change=[
        {"frame_shape": [-2, -4, 3]},
        {"frame_shape": [True, 4, 3]},
        {"frame_shape": [2.0, 4, 3]},
        {"frame_shape": {"0": 2}},
        {"num_frames": -1},
        {"num_frames": 2**63},
        {"num_frames": 10**400},
        {"num_frames": True},
        {"fps": 10**400},
        {"fps": "25"},
        {"normalization": {"mean": [0, 0], "std": [0, 1]}},
        {"normalization": {"mean": ["0", "1"], "std": [1, 1]}},
        {"interpolation": ["linear"]},
        {"provenance": []},
    ],
)
def claims_that_are_no_numbers(path, change):
    """Negative, huge or mistyped sizes, for arithmetic that trusts them."""
    edit_attributes(path, lambda attributes: attributes.update(change), redigest=True)


@attack("NaN is not a JSON number|Infinity is not a JSON number", ".zarr", ".h5", number=["NaN", "-Infinity"])
def numbers_that_json_does_not_have(path, number):
    """A NaN in the header, which makes comparisons false."""
    raw_attribute(path, f'{{"format_version": "1.0", "fps": {number}}}')


@attack(
    "deeply|not valid JSON|cannot be read|damaged",
    ".zarr",
    ".h5",
    brackets=["[" * 200_000, '{"a":' * 200_000],
)
def json_without_end(path, brackets):
    """Brackets that overflow the stack of a recursive parser."""
    raw_attribute(path, brackets)


@attack("deeply|cannot be read|damaged", ".zarr", ".h5")
def json_that_is_nested_deeply_and_well_formed(path):
    """The same attack with valid JSON."""
    raw_attribute(path, '{"format_version": "1.0", "provenance": ' + "[" * 100_000 + "]" * 100_000 + "}")


@attack("4300 digits|integer string|not valid JSON|damaged|cannot be read", ".zarr", ".h5")
def a_number_of_a_million_digits(path):
    """A number whose conversion takes quadratic time."""
    raw_attribute(path, '{"format_version": "1.0", "num_frames": ' + "9" * 1_000_000 + "}")


@attack("class_names must be unique", ".zarr", ".h5")
def a_million_classes_of_one_name(path):
    """Equal names, for which a naive search takes quadratic time."""
    edit_attributes(path, lambda attributes: attributes.update(class_names=["a"] * 1_000_000), redigest=False)


@attack("digest", ".zarr", ".h5")
def a_million_classes(path):
    """A class list that the digest does not cover."""
    names = [f"class {number}" for number in range(1_000_000)]
    edit_attributes(path, lambda attributes: attributes.update(class_names=names))


@attack(
    "class_names must",
    ".zarr",
    ".h5",
    names=[[], [""], [None, "a"], "left", [["left"], "right"], {"left": 0}],
)
def class_names_that_are_none(path, names):
    """Names of a wrong type, which cannot be joined or printed."""
    edit_attributes(path, lambda attributes: attributes.update(class_names=names), redigest=True)


@attack(
    "format_version must be|has format version",
    ".zarr",
    ".h5",
    version=["1." + "9" * 5000, "0.9", "2.0", "\u0661.0", 1.0, "1.0\n"],
)
def versions_that_are_none(path, version):
    """Versions that a careless comparison accepts or cannot parse."""
    edit_attributes(path, lambda attributes: attributes.update(format_version=version), redigest=True)


@attack("digest", ".zarr", ".h5", digest=["0" * 64, "", None, ["a"], "0" * 10_000_000])
def digests_that_are_none(path, digest):
    """A digest that is wrong, missing or of a wrong type."""
    edit_attributes(path, lambda attributes: attributes.update(digest=digest))


@attack(
    "native", ".zarr", ".h5", name=["../../outside", "/etc/passwd", "a/b", "..", "", "A", "a\0b", "a" * 65]
)
def native_names_that_lead_out(path, name):
    """A path in place of a name, to read a file of the user."""
    about = {"dtype": "float32", "shape": [1], "checksum": 0}
    edit_attributes(
        path,
        lambda attributes: attributes.update(native={"method": "m", "arrays": {name: about}}),
        redigest=True,
    )


@attack("claims .* bytes of native arrays", ".zarr", ".h5", shape=[[PETA], [2**62, 2**62], [2**32] * 8])
def native_arrays_of_a_petabyte(path, shape):
    """Sizes whose product overflows 64 bits or takes all memory."""
    about = {"dtype": "float32", "shape": shape, "checksum": 0}
    edit_attributes(
        path,
        lambda attributes: attributes.update(native={"method": "m", "arrays": {"a": about}}),
        redigest=True,
    )


@attack("lone surrogate", ".zarr", ".h5", text=['"\\ud800"', '{"\\udfff": 1}'])
def half_a_letter(path, text):
    """Text that cannot be encoded in UTF-8."""
    raw_attribute(path, '{"format_version": "1.0", "provenance": {"made": ' + text + "}}")


@attack("too large for a 64-bit float", ".zarr", ".h5")
def a_number_without_end(path):
    """A number that JSON allows and that overflows to infinity."""
    raw_attribute(path, '{"format_version": "1.0", "fps": 1e999}')
