"""Attacks through the values of arrays, the same in both containers."""

from pathlib import Path

import h5py

from tests.attacks.recipes.registry import attack
from tests.format.making import edit_attributes, read_raw, write_array


@attack(
    "",
    ".zarr",
    ".h5",
    name=["positions"] * 3 + ["offsets"] * 4 + ["labels"] * 2 + ["inserted_at"],
    place=[0, 5, 8, 0, 2, 2, 4, 0, 1, 3],
    value=[1, 65535, 1, -1, 2**63 - 1, -(2**63), 13, -1, 2**31 - 1, -2],
    words=[
        "first position must be 0",
        "last position must be",
        "strictly increase",
        "start at 0",
        "increase by at least 1",
        "increase by at least 1",
        "end at the number of key frames",
        "labels must be in",
        "labels must be in",
        "inserted_at must be -1 or a 0-based step",
    ],
)
def values_out_of_range(path, name, place, value):
    """Values that index outside other arrays, with a valid digest."""
    values = read_raw(path)[0][name].copy()
    values[place] = value
    write_array(path, name, values)
    edit_attributes(path, lambda attributes: None, redigest=True)


@attack("checksum", ".zarr", ".h5")
def another_picture(path):
    """A frame replaced by another, with the old checksum."""
    with_key_frames(path, lambda frames: frames.__setitem__(1, frames[0]))


def with_key_frames(path: Path, change) -> None:
    if path.suffix == ".zarr":
        import zarr

        array = zarr.open_group(path, mode="r+")["key_frames"]
        frames = array[...]
        change(frames)
        array[...] = frames
    else:
        with h5py.File(path, "r+") as file:
            frames = file["key_frames"][...]
            change(frames)
            file["key_frames"][...] = frames
